"""Every scenario and fault, played once against our client."""

import pytest

from tools import simulator_tour


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_conclusion_contradicts_the_truth(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulator_tour.main() == 0
    assert "0 contradict the truth" in capsys.readouterr().out
