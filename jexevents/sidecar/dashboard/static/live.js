// What makes pages live: whenever the stream that a page names tells of something, or every so many
// seconds where it says so, the page is asked for anew, and every element with data-live is replaced
// by its new self. Pages do without it.
"use strict";
(() => {
  // What was told once is not told again when the page is loaded again, or its address is sent on.
  const address = new URL(location.href);
  if (address.searchParams.has("told")) {
    address.searchParams.delete("told");
    history.replaceState(history.state, "", address);
  }
  // What is newest stands at the right of a chart: a narrow window begins there.
  for (const one of document.querySelectorAll(".chart-scroll")) one.scrollLeft = one.scrollWidth;
  const main = document.getElementById("content");
  const path = main && main.dataset.stream;
  let every = main ? Number(main.dataset.every) : 0;
  if (!path && !every) return;
  const note = document.getElementById("live-note");
  const leastPause = 1000, poll = 5000;
  let stream = null, timer = null, dueAt = 0, asking = false, again = false, shownAt = 0, out = false;

  function say(text, on) {
    note.hidden = false;
    note.classList.toggle("on", on);
    if (note.textContent !== text) note.textContent = text;
  }

  function isUsed(element) {
    const at = document.activeElement;
    return element.contains(at) && at.matches("input, select, textarea, button");
  }

  // What leads to the same element of the new self: a link, what opens details, what is scrolled.
  function wayTo(element) {
    const href = element.getAttribute("href"), label = element.getAttribute("aria-label");
    if (href !== null) return `[href="${CSS.escape(href)}"]`;
    if (element.matches("details[id] > summary")) return `#${CSS.escape(element.parentElement.id)} > summary`;
    if (element.matches(".chart-scroll")) return ".chart-scroll";
    return label === null ? null : `[aria-label="${CSS.escape(label)}"]`;
  }

  function replaceIn(fresh) {
    for (const old of document.querySelectorAll("[data-live]")) {
      const made = fresh.getElementById(old.id);
      if (!made || isUsed(old) || old.innerHTML === made.innerHTML) continue;
      const open = new Set([...old.querySelectorAll("details[open][id]")].map((one) => one.id));
      const focused = old.contains(document.activeElement) ? wayTo(document.activeElement) : null;
      const scrolled = [...old.querySelectorAll("[tabindex], .chart-scroll")].filter((one) => one.scrollLeft || one.scrollTop)
        .map((one) => [wayTo(one), one.scrollLeft, one.scrollTop]);
      old.replaceChildren(...made.childNodes);
      for (const one of old.querySelectorAll("details[id]")) if (open.has(one.id)) one.open = true;
      for (const [way, left, top] of scrolled) if (way) old.querySelector(way)?.scrollTo(left, top);
      if (focused) old.querySelector(focused)?.focus({ preventScroll: true });
    }
  }

  async function refresh() {
    if (asking) { again = true; return; }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.status === 401) { out = true; stop(); say("Signed out", false); return; }
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        replaceIn(fresh);
        every = Number(fresh.getElementById("content")?.dataset.every);
      }
    } catch { /* The daemon is away: the stream says so, and comes again by itself. */ }
    shownAt = Date.now();
    asking = false;
    if (again) { again = false; soon(); }
    else if (every && !document.hidden) soon(1000 * every);
  }

  // Who is to look sooner than was meant to looks then.
  function soon(pause = Math.max(100, leastPause - (Date.now() - shownAt))) {
    if (timer !== null && Date.now() + pause >= dueAt) return;
    clearTimeout(timer);
    dueAt = Date.now() + pause;
    timer = setTimeout(() => { timer = null; refresh(); }, pause);
  }

  function start() {
    if (document.hidden || out) return;
    if (every) soon(1000 * every);
    if (stream || !path) return;
    stream = new EventSource(path);
    // What came between the making of the page and this is told by nobody.
    stream.onopen = () => { say("Live", true); soon(); };
    for (const name of ["event", "lost"]) stream.addEventListener(name, () => soon());
    stream.onerror = () => {
      // Where the browser gives up (no place is free), the page is asked for now and then.
      if (stream && stream.readyState === EventSource.CLOSED) { stop(); soon(poll); setTimeout(start, 2 * poll); }
      say("Not live", false);
    };
  }

  function stop() {
    if (stream) stream.close();
    stream = null;
  }

  // A page that nobody sees takes no place among the long answers.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop(); else { soon(0); start(); }
  });
  addEventListener("pagehide", stop);
  addEventListener("pageshow", start);
})();
