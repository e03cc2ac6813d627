// Elements. Text becomes text nodes: nothing here, or anywhere on the page, makes markup of it.

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; `on…` are listeners, false and null leave out. */
function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Do `action` on click, and on enter or space, of an element that is no button. */
function actsLikeButton(node, action) {
  node.addEventListener('click', (event) => {
    if (!event.target.closest('button, a') && !String(getSelection())) action(event);
  });
  node.addEventListener('keydown', (event) => {
    if (event.target === node && (event.key === 'Enter' || event.key === ' ')) {
      event.preventDefault();
      event.stopPropagation();
      action(event);
    }
  });
}

const stillness = matchMedia('(prefers-reduced-motion: reduce)');
const narrow = matchMedia('(max-width: 899px)');
