// Loads the page anew every few seconds where somebody wants that, unless they are
// writing or looking into something.
const box = document.getElementById("follow");
if (box) {
  box.parentElement.hidden = false;
  box.checked = sessionStorage.getItem("follow") === "yes";
  box.addEventListener("change", () => sessionStorage.setItem("follow", box.checked ? "yes" : "no"));
  setInterval(() => {
    const busy = document.querySelector("input:focus, details[open]");
    if (!box.checked || document.hidden || busy && busy !== box) return;
    const here = new URL(location);
    here.searchParams.delete("done");
    location.replace(here);
  }, 5000);
}
for (const form of document.querySelectorAll("form[data-ask]")) {
  form.addEventListener("submit", e => { if (!confirm(form.dataset.ask)) e.preventDefault(); });
}
