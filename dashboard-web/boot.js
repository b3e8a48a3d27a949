// Sets the theme before the first paint, loads the program, and says so when it cannot.
(() => {
  let theme = null;
  try { theme = localStorage.getItem("theme"); } catch { /* storage is refused: follow the system */ }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;

  const crash = (text) => {
    document.getElementById("crash-text").textContent = text;
    document.getElementById("crash").hidden = false;
  };
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("crash-reload").addEventListener("click", () => location.reload());
    import("{{glue}}")
      .then((program) => program.default({ module_or_path: "{{wasm}}" }))
      .catch((error) => crash(String(error)));
  });
})();
