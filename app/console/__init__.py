"""The console: HTML for the people who work with Herald.

One module per noun, each with its views. `pages` renders a page or its fragment, `filters`
and `words` turn values into what people read, `nav` is the sidebar.
What a view shows or does lives in the domain packages; nothing here decides or stores.
"""
