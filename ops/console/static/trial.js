// *Try a call*: joins a room as its caller, and measures what the caller would notice.

const { Room, RoomEvent, Track } = window.LivekitClient;
const byId = (id) => document.getElementById(id);

const LOUD = 0.015; // Root mean square above which somebody speaks.
const TICK_MS = 20;
const SILENCE_MS = 250; // Silence that ends what the caller says; the end is where it began.
const FOLLOW_MS = 400;
const STEPS = {
  room_started: "room started", waiting: "waits for a permit", queued: "in its queue", claimed: "claimed by a worker",
  joined: "agent in the room", first_audio: "agent speaks",
};

let call = null;

class Meter {
  constructor(context, track, element) {
    this.analyser = context.createAnalyser();
    this.analyser.fftSize = 1024;
    context.createMediaStreamSource(new MediaStream([track])).connect(this.analyser);
    this.samples = new Float32Array(this.analyser.fftSize);
    this.element = element;
  }

  isLoud() {
    this.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    const level = Math.sqrt(sum / this.samples.length);
    this.element.value = Math.min(1, level * 5);
    return level > LOUD;
  }
}

function duration(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

function say(text, bad = false) {
  byId("status").textContent = text;
  byId("status").classList.toggle("bad", bad);
}

function show(connected) {
  byId("start").hidden = connected;
  byId("stop").hidden = byId("mute").hidden = byId("levels").hidden = !connected;
}

async function begin(event) {
  event.preventDefault();
  byId("start").disabled = true;
  for (const id of ["first-word", "last-reply", "median-reply", "agent-state"]) byId(id).textContent = "–";
  byId("lines").replaceChildren();
  byId("steps").replaceChildren();
  byId("nothing").hidden = false;
  say("The room is created …");
  try {
    await start(new FormData(byId("trial")));
  } catch (error) {
    say(error.name === "NotAllowedError" ? "The browser may not use the microphone. Allow it, and call again." : error.message, true);
    await end();
  } finally {
    byId("start").disabled = false;
  }
}

async function start(form) {
  const answer = await fetch("/try", { method: "POST", body: form });
  if (!answer.ok) {
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    throw new Error(page.querySelector("main p")?.textContent ?? "The call could not be created.");
  }
  const { url, token, sid, identity } = await answer.json();
  const room = new Room({ adaptiveStream: false, dynacast: false });
  call = { room, sid, identity, context: new AudioContext(), replies: [], lines: new Map() };
  byId("links").hidden = false;
  byId("story").href = `/calls/${encodeURIComponent(sid)}`;
  room.on(RoomEvent.TrackSubscribed, (track) => track.kind === Track.Kind.Audio && hear(track));
  room.on(RoomEvent.ParticipantAttributesChanged, (changed) => changed["lk.agent.state"] && (byId("agent-state").textContent = changed["lk.agent.state"]));
  room.on(RoomEvent.Disconnected, () => call?.room === room && end("The call is over."));
  room.registerTextStreamHandler("lk.transcription", read);
  await room.connect(url, token);
  call.joined = performance.now();
  show(true);
  say("You are in the room. Speak when the agent has greeted you.");
  await room.localParticipant.setMicrophoneEnabled(true);
  const own = room.localParticipant.getTrackPublication(Track.Source.Microphone)?.track;
  if (call && own) call.own = new Meter(call.context, own.mediaStreamTrack, byId("own-level"));
  if (call) {
    call.ticking = setInterval(measure, TICK_MS);
    follow();
  }
}

function hear(track) {
  const element = track.attach();
  element.hidden = true;
  document.body.append(element);
  if (call) call.agent = new Meter(call.context, track.mediaStreamTrack, byId("agent-level"));
}

// The time from the end of the caller's speech to the agent's first sound, as the caller hears it.
function measure() {
  const now = performance.now();
  if (call.own?.isLoud()) {
    call.spoke = now;
    call.speaking = true;
  } else if (call.speaking && now - call.spoke > SILENCE_MS) {
    call.speaking = false;
    call.asked = call.spoke;
  }
  if (call.agent?.isLoud()) {
    if (!call.heard) {
      call.heard = now;
      byId("first-word").textContent = duration(now - call.joined);
    }
    if (call.asked && call.asked > (call.agentSpoke ?? 0)) {
      call.replies.push(now - call.asked);
      byId("last-reply").textContent = duration(now - call.asked);
      const sorted = [...call.replies].sort((a, b) => a - b);
      byId("median-reply").textContent = duration(sorted[Math.floor((sorted.length - 1) / 2)]);
      call.asked = null;
    }
    call.agentSpoke = now;
  }
}

async function read(reader, participant) {
  const attributes = reader.info.attributes ?? {};
  const segment = `${participant.identity}/${attributes["lk.segment_id"] ?? reader.info.id}`;
  const own = participant.identity === call?.identity;
  let text = "";
  for await (const chunk of reader) {
    text += chunk;
    write(segment, own, text, false);
  }
  // What the caller says comes again and again until it is final; what the agent says comes once, piece by piece.
  write(segment, own, text, !own || attributes["lk.transcription_final"] === "true");
}

function write(segment, own, text, final) {
  if (!call || !text.trim()) return;
  let line = call.lines.get(segment);
  if (!line) {
    line = document.createElement("li");
    line.className = own ? "caller" : "agent";
    line.append(Object.assign(document.createElement("span"), { className: "speaker", textContent: own ? "It heard" : "It says" }), document.createElement("p"));
    call.lines.set(segment, line);
    byId("lines").append(line);
    byId("nothing").hidden = true;
  }
  line.lastChild.textContent = text;
  line.classList.toggle("interim", !final);
  line.scrollIntoView({ block: "nearest" });
}

async function follow() {
  const followed = call;
  while (call === followed) {
    const answer = await fetch(`/try/${encodeURIComponent(followed.sid)}`).catch(() => null);
    if (call !== followed) return;
    if (answer?.ok) {
      const { state, worker, reason, steps } = await answer.json();
      byId("steps").replaceChildren(...Object.entries(steps).filter(([step]) => STEPS[step]).map(([step, ms]) => {
        const line = document.createElement("li");
        line.append(Object.assign(document.createElement("span"), { textContent: STEPS[step] }), Object.assign(document.createElement("span"), { className: "dim", textContent: `+${duration(ms)}` }));
        return line;
      }));
      if (state === "waiting") say("It waits for a permit: its tenant or its tier is at its limit.");
      else if (state === "queued") say("It is in its queue: no worker has a free slot for it yet.");
      else if (state === "running" && !call.heard) say(`Answered by ${worker}.`);
      else if (state !== "running") return say(`The call is ${state}${reason ? `: ${reason}` : ""}.`, state === "dead");
      if (steps.first_audio !== undefined) return say(`Answered by ${worker}.`);
    }
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
  }
}

async function end(text) {
  const ended = call;
  call = null;
  show(false);
  for (const element of document.querySelectorAll("audio")) element.remove();
  byId("own-level").value = byId("agent-level").value = 0;
  if (!ended) return;
  clearInterval(ended.ticking);
  await ended.room.disconnect();
  await ended.context.close();
  if (text) say(text);
}

byId("trial").addEventListener("submit", begin);
byId("stop").addEventListener("click", () => end("You have hung up."));
byId("mute").addEventListener("click", async (event) => {
  const muted = event.target.getAttribute("aria-pressed") !== "true";
  await call?.room.localParticipant.setMicrophoneEnabled(!muted);
  event.target.setAttribute("aria-pressed", muted);
  event.target.textContent = muted ? "Unmute" : "Mute";
});
addEventListener("pagehide", () => call?.room.disconnect());
