// What a page does better with a script: copying, progress of a download, times of the reader's own clock. All of it works without.

// More than this a tab had better not hold: the browser itself saves it then, and shows how far it is.
const HELD_BYTES_MAX = 256 * 1024 * 1024;

const all = (selector) => document.querySelectorAll(selector);

for (const time of all("time")) {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

for (const button of all("[data-copy]")) {
  button.hidden = false;
  const label = button.querySelector("span");
  const said = label.textContent;
  button.addEventListener("click", async () => {
    label.textContent = (await copy(button.dataset.copy)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => { label.textContent = said; }, 2000);
  });
}

// Outside of https a page has no clipboard: then the text is selected, and copied as an editor would.
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.body.appendChild(document.createElement("textarea"));
    field.value = text;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

for (const menu of all("details.menu")) {
  const close = () => { menu.open = false; };
  document.addEventListener("click", (event) => { if (!menu.contains(event.target)) close(); });
  menu.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    close();
    menu.querySelector("summary").focus();
  });
}

const panel = document.getElementById("progress");
let running = null;

for (const link of all("a[data-download]")) {
  link.addEventListener("click", (event) => {
    const size = Number(link.dataset.size || 0);
    if (!panel || running || event.ctrlKey || event.metaKey || event.shiftKey || size > HELD_BYTES_MAX) return;
    event.preventDefault();
    link.closest("details")?.removeAttribute("open");
    download(link);
  });
}

panel?.querySelector("button").addEventListener("click", () => running?.abort());

async function download(link) {
  running = new AbortController();
  const [bar, said] = [panel.querySelector("progress"), panel.querySelector("output")];
  panel.hidden = false;
  said.classList.remove("failed");
  bar.hidden = false;
  bar.removeAttribute("value");
  said.textContent = "Starting …";
  try {
    const answer = await fetch(link.href, { signal: running.signal });
    if (!answer.ok) throw new Error(parsed(await answer.text()).detail || `The server answered ${answer.status}.`);
    const chunks = await read(answer, bar, said);
    save(new Blob(chunks), link.download);
    said.textContent = `Saved as ${link.download}.`;
  } catch (error) {
    if (error instanceof TypeError) {
      // The bytes come from elsewhere, and only the browser itself may fetch them; or they are more than a tab holds.
      panel.hidden = true;
      location.assign(link.href);
      return;
    }
    said.classList.add("failed");
    said.textContent = error.name === "AbortError" ? "Cancelled." : error.message;
    bar.hidden = true;
  } finally {
    running = null;
    panel.querySelector("button").hidden = true;
  }
}

for (const form of all("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload(form);
  });
}

// `fetch` does not tell how much of a body has been sent; this does.
function upload(form) {
  const [request, shown] = [new XMLHttpRequest(), form.querySelector(".progress")];
  const [bar, said, cancel] = ["progress", "output", "button"].map((name) => shown.querySelector(name));
  const submit = form.querySelector("[type=submit]");
  const end = (text) => {
    said.classList.add("failed");
    said.textContent = text;
    bar.hidden = cancel.hidden = true;
    submit.disabled = false;
  };
  said.classList.remove("failed");
  shown.hidden = bar.hidden = cancel.hidden = false;
  submit.disabled = true;
  cancel.onclick = () => request.abort();
  request.upload.onprogress = ({ loaded, total }) => {
    bar.value = loaded / total;
    said.textContent = `${size(loaded)} of ${size(total)}`;
  };
  request.onabort = () => end("Cancelled.");
  request.onerror = () => end("The connection broke.");
  request.onload = () => {
    const { detail, kept, files } = parsed(request.responseText);
    if (request.status >= 400) {
      // What has been kept is not sent again.
      if (kept) form.reset();
      return end(detail || `The server answered ${request.status}.`);
    }
    // A name that was taken has become another one.
    sessionStorage.setItem("received", files.map(({ name }) => name).join(", "));
    location.hash = "received";
    location.reload();
  };
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/json");
  request.send(new FormData(form));
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

if (location.hash === "#received") {
  const [shown, names] = [document.getElementById("received"), sessionStorage.getItem("received")];
  if (shown && names) {
    shown.textContent = `Your files have arrived: ${names}.`;
    shown.classList.add("news");
  }
  sessionStorage.removeItem("received");
  // It is news to nobody to whom the address is sent on.
  history.replaceState(null, "", location.pathname);
}

async function read(answer, bar, said) {
  panel.querySelector("button").hidden = false;
  // Of a packed answer the length is that of the packed bytes, which we never see.
  const length = answer.headers.get("content-encoding") ? 0 : Number(answer.headers.get("content-length") || 0);
  if (length > HELD_BYTES_MAX) throw new TypeError("too large to be held");
  const [reader, chunks] = [answer.body.getReader(), []];
  let received = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    received += value.length;
    if (received > HELD_BYTES_MAX) {
      running.abort();
      throw new TypeError("too large to be held");
    }
    if (length) bar.value = received / length;
    said.textContent = length ? `${size(received)} of ${size(length)}` : size(received);
  }
  bar.value = 1;
  return chunks;
}

function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB"];
  let unit = 0;
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000;
    unit += 1;
  }
  return `${unit && bytes < 10 ? bytes.toFixed(1) : Math.round(bytes)} ${units[unit]}`;
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}
