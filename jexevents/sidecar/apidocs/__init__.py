"""What says how the HTTP interface is used: the OpenAPI document, and a page to read it on."""
