"""The graph of imports, as it is: no circle, and few things at the top of tasks. The layers are import-linter's."""

from __future__ import annotations

from functools import cache
from graphlib import CycleError, TopologicalSorter

import grimp

from tests.unit.conventions.source_tree import PACKAGES

MOST_IN_TASKS = 16


@cache
def graph() -> grimp.ImportGraph:
    """With the imports that are only there for a type checker: what names another thing depends on it."""
    return grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=False)


def test_no_module_imports_itself_over_others() -> None:
    imports = {module: graph().find_modules_directly_imported_by(module) for module in graph().modules}
    assert len(imports) > 200
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from None


def test_the_top_of_tasks_has_few_entries() -> None:
    assert len(graph().find_children("tasks")) <= MOST_IN_TASKS
