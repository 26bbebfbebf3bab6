"""Other Pythons, and with them the other Pyserini: `nox -l` lists the sessions. The tests on 3.11 are `make test`."""

import nox

nox.options.reuse_existing_virtualenvs = True

NO_NETWORK = {"HF_HUB_OFFLINE": "1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
"""Models from the cache only, and a proxy that is not there: whatever else asks the network fails."""


@nox.session(python=["3.12", "3.13"])
def tests(session):
    """The tests on newer Pythons."""
    session.install("-c", "constraints.txt", "-e", ".[dev]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python="3.12")
def pyserini2(session):
    """Index, search, rerank and evaluate with pyserini 2.4.0, without a network."""
    session.install("-c", "constraints.txt", "-e", ".[demo]", "pytest", "hypothesis")
    session.run("python", "-c", "from importlib.metadata import version; assert version('pyserini') == '2.4.0'")
    session.run("instrerank", "demo", "--output", session.create_tmp(), env=NO_NETWORK)
    session.run("python", "-m", "pytest", "tests/anserini", env=NO_NETWORK)


@nox.session(python="3.11")
def other_tools(session):
    """Files exchanged with other tools, without the GPU libraries and old evaluators they ask for."""
    session.install("-c", "constraints.txt", "-e", ".[dev]", "tira==0.0.207")
    session.install("--no-deps", "rank-llm==0.25.7", "dacite==1.9.2", "beir==2.2.0")
    # of repro_eval only the part that reads metadata, which needs setuptools' pkg_resources
    metadata = ("repro-eval==0.5.0", "ruamel.yaml", "GitPython", "gitdb", "smmap", "py-cpuinfo", "setuptools<81")
    session.install("--no-deps", *metadata)
    # their tests are skipped where they cannot be imported: here that is a failure
    session.run(
        "python", "-c", "import beir.retrieval.evaluation, rank_llm.data, repro_eval.metadata, tira.check_format"
    )
    session.run(
        "python", "-m", "pytest", "-m", "rank_llm or tira or beir or repro_eval", "tests/integrations", env=NO_NETWORK
    )
