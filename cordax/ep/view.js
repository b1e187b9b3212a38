// A surface coloured by activation time: drag turns it, the wheel zooms, the slider
// and Play let the wave run. Needs WebGL 2 and nothing from any network.
(function () {
  const box = document.getElementById("heart-view");
  const data = JSON.parse(document.getElementById("heart-data").textContent);
  const canvas = box.querySelector("canvas");
  const slider = box.querySelector("input");
  const clock = box.querySelector("output");
  const gl = canvas.getContext("webgl2", { antialias: true, preserveDrawingBuffer: true });
  if (!gl) {
    box.querySelector(".failed").hidden = false;
    canvas.hidden = true;
    return;
  }
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const place = new Int16Array(bytes(data.points));
  const corner = new Uint16Array(bytes(data.triangles));
  const time = new Float32Array(bytes(data.times));
  const point = Float32Array.from(place, (x) => (x / 32767) * data.radius);

  const normal = new Float32Array(point.length);
  for (let k = 0; k < corner.length; k += 3) {
    const [a, b, c] = [corner[k] * 3, corner[k + 1] * 3, corner[k + 2] * 3];
    const u = [0, 1, 2].map((d) => point[b + d] - point[a + d]);
    const v = [0, 1, 2].map((d) => point[c + d] - point[a + d]);
    const n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2],
      u[0] * v[1] - u[1] * v[0]];
    for (const at of [a, b, c]) for (let d = 0; d < 3; d++) normal[at + d] += n[d];
  }

  const vertex = `#version 300 es
    in vec3 point; in vec3 normal; in float time;
    uniform mat3 turn; uniform vec2 zoom; uniform float radius;
    out vec3 facing; out float when;
    void main() {
      vec3 p = turn * point / radius;
      facing = turn * normal; when = time;
      gl_Position = vec4(p.xy * zoom, -p.z * 0.5, 1.0);
    }`;
  const fragment = `#version 300 es
    precision highp float;
    in vec3 facing; in float when;
    uniform float first; uniform float band; uniform float now; uniform int bands;
    uniform vec3 colours[64];
    out vec4 colour;
    void main() {
      vec3 base = vec3(0.80, 0.82, 0.84);
      if (when >= -1e8 && when <= now) {
        float place = (when - first) / band;
        int which = clamp(int(floor(place)), 0, bands - 1);
        float line = abs(fract(place - 0.5) - 0.5) / max(fwidth(place), 1e-6);
        base = colours[which] * mix(0.35, 1.0, smoothstep(0.3, 1.1, line));
        base = mix(base, vec3(1.0), smoothstep(band * 0.6, 0.0, now - when) * 0.6);
      }
      float lit = abs(dot(normalize(facing), normalize(vec3(-0.35, 0.45, 0.82))));
      colour = vec4(base * (0.45 + 0.55 * lit), 1.0);
    }`;
  const program = gl.createProgram();
  for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  for (const [name, values, size] of [["point", point, 3], ["normal", normal, 3],
    ["time", time, 1]]) {
    const at = gl.getAttribLocation(program, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
  }
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, corner, gl.STATIC_DRAW);
  const uniform = (name) => gl.getUniformLocation(program, name);
  gl.uniform1f(uniform("radius"), data.radius);
  gl.uniform1f(uniform("first"), data.levels[0]);
  gl.uniform1f(uniform("band"), data.levels[1] - data.levels[0]);
  gl.uniform1i(uniform("bands"), data.colours.length);
  gl.uniform3fv(uniform("colours"), data.colours.flat());
  gl.enable(gl.DEPTH_TEST);

  // rows: right, up and towards the viewer, in the heart's own axes
  let turn = data.views[0], zoom = 1.15, playing = false;
  const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
  function rotate(across, down) {
    const spin = (k, l, angle) => {
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      const [a, b] = [turn[k], turn[l]];
      turn = turn.slice();
      turn[k] = a.map((x, d) => c * x + s * b[d]);
      turn[l] = b.map((x, d) => c * x - s * a[d]);
    };
    spin(0, 2, across);
    spin(1, 2, -down);
    for (const row of [0, 1, 2]) {  // rounding must not shear it
      for (const other of [0, 1, 2].slice(0, row)) {
        const share = dot(turn[row], turn[other]);
        turn[row] = turn[row].map((x, d) => x - share * turn[other][d]);
      }
      const length = Math.sqrt(dot(turn[row], turn[row]));
      turn[row] = turn[row].map((x) => x / length);
    }
    draw();
  }
  function draw() {
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    gl.viewport(0, 0, wide, high);
    gl.clearColor(1, 1, 1, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const short = Math.min(wide, high);
    gl.uniform2f(uniform("zoom"), (zoom * short) / wide, (zoom * short) / high);
    const columns = [0, 1, 2].flatMap((d) => turn.map((row) => row[d]));
    gl.uniformMatrix3fv(uniform("turn"), false, columns);
    const now = Number(slider.value);
    gl.uniform1f(uniform("now"), now >= Number(slider.max) ? 1e9 : now);
    clock.textContent = `${now.toFixed(0)} ms`;
    gl.drawElements(gl.TRIANGLES, corner.length, gl.UNSIGNED_SHORT, 0);
  }
  let held = null;
  canvas.addEventListener("pointerdown", (e) => {
    held = [e.clientX, e.clientY];
    canvas.setPointerCapture(e.pointerId);
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!held) return;
    rotate((e.clientX - held[0]) * -0.01, (e.clientY - held[1]) * 0.01);
    held = [e.clientX, e.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(end, () => { held = null; });
  }
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    zoom = Math.min(8, Math.max(0.4, zoom * Math.exp(-e.deltaY * 0.001)));
    draw();
  }, { passive: false });
  canvas.addEventListener("keydown", (e) => {
    const step = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.1],
      ArrowDown: [0, 0.1] }[e.key];
    if (!step) return;
    e.preventDefault();
    rotate(...step);
  });
  slider.addEventListener("input", () => { playing = false; draw(); });
  const [play, ...sides] = box.querySelectorAll("button");
  play.addEventListener("click", () => {
    playing = !playing;
    if (Number(slider.value) >= Number(slider.max)) slider.value = slider.min;
    let before = null;
    requestAnimationFrame(function step(at) {
      if (!playing) return;
      const gone = before === null ? 0 : at - before;
      before = at;
      const span = Number(slider.max) - Number(slider.min);
      slider.value = Number(slider.value) + (span * gone) / 4000;  // four seconds
      playing = Number(slider.value) < Number(slider.max);
      draw();
      requestAnimationFrame(step);
    });
  });
  sides.forEach((button, k) => button.addEventListener("click", () => {
    turn = data.views[k];
    draw();
  }));
  window.addEventListener("resize", draw);
  draw();
  box.dataset.drawn = String(gl.getError() === gl.NO_ERROR);
})();
