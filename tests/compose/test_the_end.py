"""Down with all that was made; nothing of it stays."""

import pytest

pytestmark = pytest.mark.compose


def test_down_with_volumes_leaves_nothing_of_any_profile(stack):
    stack.all_down()
    assert stack.left() == {"containers": [], "volumes": [], "networks": []}
    assert stack.all_volumes() <= stack.volumes
