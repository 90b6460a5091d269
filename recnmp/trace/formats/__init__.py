"""Foreign formats of embedding traces: one file each, found by its folder.

A format is a module with ``PLUGIN = True``, a one-line ``SUMMARY`` and at least one of

* ``ReadOptions`` (``recnmp.trace.formats._options.ReadOptions`` or a subclass) and
  ``read(files, options, sink)``, which feeds a ``recnmp.trace.formats._sink.Sink`` in the order of the files;
* ``WriteOptions`` and ``write(trace, out, options)``, which writes the lookups of the trace file ``trace``;
* ``RequestOptions`` and ``request_lines(address, first, options)``, the lines of DRAM reads of one burst each at
  these byte addresses, the first of number ``first``; ``recnmp.placement.export`` gives every lookup its address.

Modules whose names begin with an underscore are what formats share. Nothing here unpickles a file.
"""
