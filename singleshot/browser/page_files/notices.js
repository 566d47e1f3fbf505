// Messages: what happened, and what can be done about it.

// Show a message in place of that with the same key; actions are buttons: [words, function].
function notify(key, title, { detail = "", actions = [], field = null } = {}) {
  dismiss(key);
  const close = make("button", { type: "button", className: "close", textContent: "×" });
  close.setAttribute("aria-label", "Dismiss");
  close.addEventListener("click", () => dismiss(key));
  const body = make("div", { className: "notice-body" }, make("strong", { textContent: title }));
  if (detail) body.append(" ", make("span", { textContent: detail }));
  const notice = make("div", { className: "notice", data: { key }, attributes: { role: "alert" } }, body);
  if (field) notice.append(field);
  for (const [words, act] of actions) {
    const button = make("button", { type: "button", textContent: words });
    button.addEventListener("click", () => {
      dismiss(key);
      act();
    });
    notice.append(button);
  }
  notice.append(close);
  element("notices").append(notice);
  return notice;
}

function dismiss(key) {
  for (const one of element("notices").children) if (one.dataset.key === key) one.remove();
}

// What a source raises: a problem of RFC 9457, or another error.
function describeError(error) {
  if (error instanceof ImageError) return { title: error.message, detail: READABLE };
  return { title: error.title ?? "The detector failed", detail: error.detail ?? error.message ?? "" };
}

// A form for the API key that the server requires.
function requestKey(enter, rejected) {
  const input = make("input", { type: "password", id: "key", autocomplete: "off", required: true });
  const label = make("label", { textContent: "API key " }, input);
  const form = make("form", { className: "key-form" }, label, make("button", { type: "submit", textContent: "Use this key" }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    dismiss("key");
    enter(input.value.trim());
  });
  const title = rejected ? "This key is not accepted" : "This server requires an API key";
  const detail = rejected ? "Check it, and enter it again." : "It is kept until this tab is closed.";
  notify("key", title, { detail, field: form });
  input.focus();
}

// ---- Announcements

const ANNOUNCE_AFTER = 600; // milliseconds without a change: a screen reader is not flooded
let announcing;
let summary = "";

function announce(words) {
  clearTimeout(announcing);
  element("spoken").textContent = words;
}

function announceLater(shown) {
  clearTimeout(announcing);
  // A camera would never stop.
  if (!state.current || (state.current.live && !state.current.paused)) return;
  announcing = setTimeout(() => announceSummary(summaryOf(state.current, shown)), ANNOUNCE_AFTER);
}

// Not again where only what is highlighted has changed.
function announceSummary(words) {
  if (words !== summary) announce(words);
  summary = words;
}

function summaryOf(item, shown) {
  if (item.status === "failed") return `${item.name}: ${describeError(item.error).title}`;
  if (item.status !== "done") return `${item.name}: detecting`;
  const counts = countByLabel(shown).map(([label, count]) => `${count} ${label}`);
  const found = counts.length ? `: ${joined(counts)}` : "";
  return `${item.name}: ${plural(shown.length, "detection")}${found}`;
}
