// A call's recording: it plays where one clicks, on the waveform or on a line of what was said.

import { runTimes } from "./console.js";

const live = document.getElementById("call");
if (live) runTimes(live);

const players = [...document.querySelectorAll(".player figure")].map((figure) => ({
  audio: figure.querySelector("audio"),
  head: figure.querySelector(".head"),
  wave: figure.querySelector(".wave"),
  began: Number(figure.dataset.began),
  length: Number(figure.dataset.length),
}));
const lines = [...document.querySelectorAll(".story [data-at]")];

function play(player, ms) {
  for (const other of players) if (other !== player) other.audio.pause();
  player.audio.currentTime = Math.max(0, ms / 1000);
  player.audio.play();
}

function playAt(at) {
  const player = players.findLast((each) => each.began <= at) ?? players[0];
  if (player) play(player, Math.min(at - player.began, player.length));
}

for (const line of lines) line.addEventListener("click", () => playAt(Number(line.dataset.at)));

for (const player of players) {
  player.wave.addEventListener("click", (event) => {
    const box = player.wave.getBoundingClientRect();
    play(player, ((event.clientX - box.left) / box.width) * player.length);
  });
  const show = () => {
    const ms = player.audio.currentTime * 1000;
    const x = (ms / player.length) * 1000;
    player.head.setAttribute("x1", x);
    player.head.setAttribute("x2", x);
    // The line that is heard now.
    const now = lines.findLast((line) => Number(line.dataset.at) <= player.began + ms + 50);
    for (const line of lines) line.closest("li").classList.toggle("now", line === now && !player.audio.paused);
  };
  player.audio.addEventListener("timeupdate", show);
  player.audio.addEventListener("seeking", show);
  player.audio.addEventListener("play", show);
}
