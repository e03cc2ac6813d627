// Puts the page together when what it holds is unpacked.

async function start() {
  theme.start();
  summary.start();
  document.body.classList.toggle('untimed', !timed);
  try {
    await eventList.load();
    for (const side of Object.values(sides)) {
      if (side.reel) side.reel.peaks = new Peaks(await unpackBlock(`${side.name}-peaks`), side.reel.bucket);
    }
  } catch (error) {
    byId('notes').hidden = false;
    byId('notes').append(make('p', {}, `This browser cannot unpack what the page holds (${error.message}); a newer one can.`));
    throw error;
  }
  detail.start();
  transcript.start();
  turnsView.start();
  findingsView.start();
  events.start();
  about.start();
  tabs.start();
  transport.start();
  overview.start();
  timeline.start();
  keys.start();
  events.ready();
  address.start();
  document.documentElement.dataset.ready = 'true';
}

start();
