// Tabs, with the roles and keys of WAI-ARIA: arrows, Home and End open another tab, and Tab leaves the list.

/**
 * Makes a list of tabs. No tab is open yet.
 *
 * @param {HTMLElement[]} panels what the tabs show, one at a time
 * @param {string[]} labels of the tabs
 * @param {function(number): void} onOpen called when a tab is opened, or chosen again
 * @returns {{list: HTMLElement, open: function(number): void}}
 */
export function makeTabs(panels, labels, onOpen) {
  const list = document.createElement("div");
  setAttributes(list, { role: "tablist", "aria-label": "Models" });
  const tabs = labels.map((label, number) => {
    const tab = document.createElement("button");
    tab.type = "button";
    tab.textContent = label;
    setAttributes(tab, { id: `tab${number}`, role: "tab", "aria-controls": `panel${number}` });
    setAttributes(panels[number], { id: `panel${number}`, role: "tabpanel", "aria-labelledby": tab.id });
    tab.addEventListener("click", () => open(number));
    tab.addEventListener("keydown", (event) => onKey(event, number));
    return tab;
  });
  list.append(...tabs);

  function open(number) {
    tabs.forEach((tab, each) => {
      tab.setAttribute("aria-selected", each === number);
      tab.tabIndex = each === number ? 0 : -1;
      panels[each].hidden = each !== number;
    });
    onOpen(number);
  }

  function onKey(event, number) {
    const next = { ArrowRight: number + 1, ArrowLeft: number - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (next === undefined || event.altKey || event.ctrlKey || event.metaKey) return; // the browser's own keys
    event.preventDefault();
    const found = (next + tabs.length) % tabs.length;
    open(found);
    tabs[found].focus();
  }

  return { list, open };
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
}
