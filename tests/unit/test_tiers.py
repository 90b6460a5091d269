"""Faster memories of the library and of a user's file."""

import pytest

from recnmp._registry import library_names
from recnmp.config.schema import MemoryConfig
from recnmp.errors import ConfigError
from recnmp.library.dram import load_standard
from recnmp.library.tier import DramTier, load_tier
from recnmp.placement.place import make_mapping


@pytest.mark.parametrize("name", library_names("tiers"))
def test_a_tier_says_what_it_is_and_where_that_comes_from(name):
    tier = load_tier(name)
    assert tier.capacity_bytes.value >= 1 << 20
    if isinstance(tier, DramTier):
        spec = load_standard(tier.standard)
        memory = MemoryConfig(
            standard=tier.standard, channels=tier.channels.value, ranks_per_dimm=1, mapping=tier.mapping
        )
        make_mapping(memory, spec)
        org = spec.organization
        banks = org.bank_groups.value * org.banks_per_group.value
        rank_bytes = banks * org.rows.value * org.bursts_per_row.value * org.burst_bytes.value
        assert tier.capacity_bytes.value == tier.channels.value * rank_bytes


def test_a_file_of_ones_own_is_a_tier_and_its_mistakes_are_named(tmp_path):
    facts = '{value: 64, source: "made up", certainty: derived}'
    text = f"kind: rates\nname: mine\nsource: a memory that nobody has built yet\nroute: lookups\ngb_per_s: {facts}\n"
    file = tmp_path / "mine.yaml"
    file.write_text(f"{text}capacity_bytes: {facts}\nlatency_ns: {facts}\n")
    assert load_tier(str(file)).gb_per_s.value == 64
    file.write_text(text.replace("kind: rates", "kind: rate"))
    with pytest.raises(ConfigError, match=r"mine\.yaml:1:7: kind: unknown kind 'rate'"):
        load_tier(str(file))
    file.write_text(text)
    with pytest.raises(ConfigError, match="capacity_bytes"):
        load_tier(str(file))
