// A value that others watch.

class Signal {
  constructor(value) {
    this.value = value;
    this.watchers = [];
  }

  /** Set the value; watchers are told if it is another one. */
  set(value) {
    if (Object.is(value, this.value)) return;
    this.value = value;
    for (const watcher of this.watchers) watcher(value);
  }

  /** Call `watcher` now and whenever the value changes. */
  watch(watcher) {
    this.watchers.push(watcher);
    watcher(this.value);
  }
}
