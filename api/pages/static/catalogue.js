// Comparing needs exactly two: the button says so before it is pressed.
const form = document.getElementById("compare");
const button = document.getElementById("compare-button");
const said = document.getElementById("compare-said");

function count() {
  const ticked = form.querySelectorAll("input[name=artifact]:checked").length;
  button.disabled = ticked !== 2;
  said.textContent = ticked === 2 ? "" : `${ticked} of 2 ticked`;
}

if (form) {
  form.addEventListener("change", count);
  window.addEventListener("pageshow", count);
  count();
}
