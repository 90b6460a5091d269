"""Where an entry lives: tables to pages, pages to frames, addresses to DRAM coordinates."""
