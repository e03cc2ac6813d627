"""A call as one HTML file, that opens anywhere and asks nothing of a network.

    write_page(tape, Path("call.html"))

`call`, `lanes`, `waits`, `events`, `bodies`, `sound` and `reel` say what the page holds, on values;
`assembly` makes HTML of it, in which nothing from the tape can be markup; `writer` writes it.
The page itself is in `assets`: plain HTML, CSS and JavaScript, one noun a file.
"""
