"""The dashboard: pages for people, made on the server, over what the other surfaces offer.

How a page is added:

1. A class in a module of this package holds what the page reads (the same objects that the HTTP
   surfaces have) and a ``Site``. Its ``routes()`` gives rows of the route table: ``site.page(path,
   handler, ...)`` for what is read, ``site.action(path, handler, ...)`` for what a form sends.
2. A handler of a page returns ``site.render(request, "name.html", ...)``. The template stands in
   ``templates``, extends ``base.html`` and fills its blocks; ``macros.html`` has tables' cells,
   badges, forms, paging. All text is escaped; there is no inline style and no inline script,
   which the Content-Security-Policy would not let in.
3. A handler of an action takes the request and the ``Form``, calls what the API calls, and returns
   ``site.seen(path, told)``: a redirection (303) to a page, which says ``told`` there. The form in
   the template has ``{{ m.secrets() }}`` in it, or it is refused. What the caller
   may not do is not shown: ``{% if may("run") %}``.
4. A page that is to change by itself sets the block ``live`` to the path of a stream of Server-Sent
   Events (``/ledger/stream?kind=...``); every element with ``data-live`` and an id is replaced by
   the one that the page has when it is asked for anew.
5. A page that stands in the menu is named in ``MENU`` (site.py). ``surface.py`` puts the classes
   together. docs/dashboard.md lists each page.
"""
