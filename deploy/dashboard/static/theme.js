// Loaded before the page is painted, so that a chosen theme does not flash. ?theme=dark in the address wins.
(function () {
  const asked = new URLSearchParams(location.search).get("theme");
  let theme = asked;
  try {
    theme = asked || localStorage.getItem("theme");
  } catch {
    // storage may be closed to us; the system's theme it is
  }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
