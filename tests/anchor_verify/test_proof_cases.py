"""The table of proofs that the verifier page is held to, run by the rules of the command."""

from proof_cases import Case, proof_cases

from anchor.errors import Malformed, Refused
from anchor.policy import Policy
from anchor.proving.verify import verify


def outcome(case: Case) -> str:
    try:
        policy = Policy.from_bytes(case.policy)
        verify(case.proof, policy)
    except Malformed:
        return "unreadable"
    except Refused:
        return "refused"
    return "valid"


def test_every_case_is_accepted_or_refused_as_the_table_says() -> None:
    found = {case.name: outcome(case) for case in proof_cases()}
    assert found == {case.name: case.said for case in proof_cases()}
