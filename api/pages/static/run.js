// Shows what happens to a run as it happens: the server tells that something changed, and the page
// takes the new state from the page that it would get when loaded again.
const events = new EventSource(document.getElementById("live").dataset.events);
let waiting = 0;

async function renew() {
  waiting = 0;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("live");
  const old = document.getElementById("live");
  if (old.contains(document.activeElement) && document.activeElement !== document.body) {
    document.getElementById("main").focus({ preventScroll: true });
  }
  old.replaceWith(fresh);
  document.title = page.title;
  if (fresh.dataset.events === undefined) events.close();
  settle();
}

function soon() {
  if (!waiting) waiting = setTimeout(renew, 150);
}

function settle() {
  for (const link of document.querySelectorAll(".without-script")) link.hidden = true;
}

events.addEventListener("state", soon);
events.addEventListener("step", soon);
events.addEventListener("progress", (event) => {
  const told = JSON.parse(event.data);
  const bar = document.getElementById("progress-bar");
  if (!bar) return;
  document.getElementById("progress-label").textContent = told.label;
  if (told.total) {
    bar.max = told.total;
    bar.value = told.done;
  } else bar.removeAttribute("value");
  const left = told.seconds_left;
  document.getElementById("progress-left").textContent =
    left === null ? "" : `about ${Math.round(left)} s left`;
});
events.addEventListener("log", (event) => {
  const log = document.getElementById("log");
  document.getElementById("log-section").hidden = false;
  log.textContent += `${JSON.parse(event.data).text}\n`;
  log.scrollTop = log.scrollHeight;
});
settle();
