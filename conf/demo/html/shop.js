// The demo's pages work without this file: then the shop's answer tells of an
// account, and the referrer's page is loaded anew.

// an account: the visitor's own page tells nginx of a lead

const join = document.getElementById("join");

if (join) {
  join.addEventListener("submit", async (event) => {
    event.preventDefault();
    join.querySelector("button").disabled = true;

    try {
      const answer = await fetch(join.dataset.lead, {
        method: "POST",
        body: new URLSearchParams(new FormData(join)),
      });

      if (!answer.ok) {
        throw new Error(answer.status);
      }

      location.replace("?joined=1");
    } catch {
      location.replace("?failed=1");
    }
  });
}

// the referrer's numbers, once a second while they are looked at

for (const table of document.querySelectorAll("table[data-from]")) {
  let shown = "";

  setInterval(async () => {
    if (document.hidden) {
      return;
    }

    try {
      const answer = await fetch(table.dataset.from);
      const text = await answer.text();

      if (answer.ok && text !== shown) {
        table.tBodies[0].outerHTML = shown = text;
      }
    } catch {
      // the next second asks again
    }
  }, 1000);
}
