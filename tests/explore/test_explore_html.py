"""What files are called is shown on a page, and never run."""

from jaxprune.explore import _html as html


def test_what_looks_like_a_program_is_shown():
    bad = "<script>alert('x')</script>"
    shown = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;"
    for made in (html.text(bad), html.bullets([bad]), html.table([{bad: bad}])):
        assert shown in made
        assert "<script" not in made


def test_a_message_of_several_lines_is_one():
    assert html.text("a\n  b") == "<div>a b</div>"


def test_cells_that_a_row_lacks_are_empty():
    assert html.table([{"a": "1", "b": "2"}, {"a": "3"}]).count("<td") == 4
