// The output of an execution as it comes: followed, searched, the last lines of it.
"use strict";
(() => {
  const box = document.getElementById("output");
  if (!box) return;
  const search = document.getElementById("output-search");
  const follow = document.getElementById("output-follow");
  const count = document.getElementById("output-count");
  const mostLines = 20000;
  const open = { stdout: null, stderr: null };
  let hits = 0;

  box.hidden = false;
  document.getElementById("output-tools").hidden = false;

  function show(line) {
    const words = search.value.toLowerCase();
    const text = line.dataset.text === undefined ? line.textContent : line.dataset.text;
    const at = words ? text.toLowerCase().indexOf(words) : -1;
    const wasHit = line.classList.contains("hit");
    if (at >= 0) {
      line.dataset.text = text;
      const mark = document.createElement("mark");
      mark.textContent = text.slice(at, at + words.length);
      line.replaceChildren(text.slice(0, at), mark, text.slice(at + words.length));
    } else if (line.dataset.text !== undefined) {
      line.replaceChildren(text);
      delete line.dataset.text;
    }
    line.classList.toggle("hit", at >= 0);
    hits += (at >= 0) - wasHit;
  }

  function tell() {
    box.classList.toggle("searched", search.value !== "");
    count.textContent = search.value ? `${hits} ${hits === 1 ? "line" : "lines"}` : "";
  }

  function trim() {
    while (box.childElementCount > mostLines) {
      if (box.firstElementChild.classList.contains("hit")) hits -= 1;
      box.firstElementChild.remove();
    }
  }

  function begin(kind) {
    const line = document.createElement("span");
    line.className = kind;
    box.append(line);
    return line;
  }

  // A line belongs to one stream; the two may come in turns, in pieces.
  function add(kind, text) {
    for (const piece of text.split(/(?<=\n)/)) {
      const line = open[kind] || begin(kind);
      const before = line.dataset.text === undefined ? line.textContent : line.dataset.text;
      delete line.dataset.text;
      line.replaceChildren(before + piece);
      open[kind] = piece.endsWith("\n") ? null : line;
      if (search.value || line.classList.contains("hit")) show(line);
    }
  }

  function moved() {
    trim();
    tell();
    if (follow.checked) box.scrollTop = box.scrollHeight;
  }

  // A line of ours between those of the job; what stands open before it is no part of what follows.
  function remark(text) {
    open.stdout = open.stderr = null;
    begin("gap").textContent = `[${text}]\n`;
    moved();
  }

  let stream = null;

  // Of the current attempt; where one ends and the execution goes on, then of the next one.
  function listen(attempt) {
    stream = new EventSource(`${box.dataset.output}?tail=1000${attempt ? `&attempt=${attempt}` : ""}`);
    for (const kind of ["stdout", "stderr"]) {
      stream.addEventListener(kind, (event) => {
        const told = JSON.parse(event.data);
        add(kind, told.text === undefined ? atob(told.base64) : told.text);
        moved();
      });
    }
    stream.addEventListener("gap", (event) => {
      remark(`${JSON.parse(event.data).missing} bytes were not kept`);
    });
    stream.addEventListener("end", (event) => {
      const told = JSON.parse(event.data);
      stream.close();
      if (told.current <= told.attempt) return;
      remark(`Attempt ${told.attempt} has ended. This is attempt ${told.attempt + 1}:`);
      listen(told.attempt + 1);
    });
    stream.onerror = () => {
      if (stream.readyState === EventSource.CLOSED) remark("The output cannot be followed now. Load the page again.");
    };
  }

  listen(0);
  addEventListener("pagehide", () => stream.close());
  // A page that comes back out of the browser's memory has no stream any more.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  search.addEventListener("input", () => { for (const line of box.children) show(line); tell(); });
  follow.addEventListener("change", moved);
  // Who looks back is not taken to the end again by what comes.
  const back = ["ArrowUp", "PageUp", "Home"];
  const leave = () => { follow.checked = false; };
  box.addEventListener("wheel", (event) => { if (event.deltaY < 0) leave(); }, { passive: true });
  box.addEventListener("touchmove", leave, { passive: true });
  box.addEventListener("keydown", (event) => { if (back.includes(event.key)) leave(); });
})();
