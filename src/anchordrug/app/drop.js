// A file is sent as it is, and only its name beside it; the server's answer is text and is shown as text.
// Native controls, so that the keyboard and screen readers find what they know.
window.sendDropped = (area, url, files) => {
  const bar = area.querySelector("progress"), said = area.querySelector("[role=status]");
  const send = (rest) => {
    if (!rest.length) { bar.hidden = true; return; }
    const [file, ...others] = rest, request = new XMLHttpRequest();
    request.open("PUT", `${url}?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => { bar.hidden = false; bar.max = event.total; bar.value = event.loaded; };
    request.onload = () => { said.textContent = request.responseText; send(others); };
    request.onerror = () => { bar.hidden = true; said.textContent = "The file could not be sent. Check that anchordrug app is still running."; };
    said.textContent = `${file.name} ...`;
    request.send(file);
  };
  send([...files]);
};
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    const area = event.target.closest?.(".drop");
    if (!area) return;
    area.classList.toggle("over", kind === "dragover");
    if (kind === "drop") window.sendDropped(area, area.dataset.url, event.dataTransfer.files);
  });
}
document.addEventListener("change", (event) => {
  const area = event.target.closest?.(".drop");
  if (area && event.target.type === "file") {
    window.sendDropped(area, area.dataset.url, event.target.files);
    event.target.value = "";
  }
});
