// All texts of the page, in English and in Chinese. {NAME} stands for a value.

const TEXTS = {
  addRectangle: ["Add the rectangle", "添加矩形"],
  again: ["Draw another", "再画一张"],
  alreadyEnded: ["That drawing has ended.", "该绘制已结束。"],
  asThePicture: ["as the picture", "与图片相同"],
  automatic: ["automatic", "自动"],
  back: ["Back", "返回"],
  brush: ["Brush", "画笔"],
  brushSize: ["Width of the brush", "画笔粗细"],
  byNumbers: ["Rectangle by numbers", "用数字指定矩形"],
  cancel: ["Cancel", "取消"],
  canceled: ["Canceled.", "已取消。"],
  carried: ["Also, as that picture was drawn:", "并沿用该图片的参数："],
  carriedDrop: ["Leave these out", "不使用这些参数"],
  cfgScale: ["Cfg scale", "提示词强度（cfg）"],
  chooseFile: ["choose a file", "选择文件"],
  clear: ["Clear", "清空"],
  continue: ["Continue", "继续"],
  done: ["Done", "完成"],
  download: ["Download", "下载"],
  draw: ["Draw", "绘制"],
  drawing: ["Drawing", "正在绘制"],
  drawnStatus: ["The picture is finished: {prompt}", "图片已完成：{prompt}"],
  dropHere: ["Drop a picture here, paste one, or", "将图片拖到此处、粘贴，或"],
  editThis: ["Edit this", "编辑此图"],
  empty: ["Describe a picture, and it appears here.", "描述一幅画，它会出现在这里。"],
  emptyPrompt: ["Describe a picture first.", "请先描述画面。"],
  eraser: ["Eraser", "橡皮"],
  form: ["What to draw", "绘制内容"],
  gallery: ["Pictures", "图库"],
  galleryEmpty: ["This server has not drawn anything yet.", "此服务器还没有画过图片。"],
  height: ["Height", "高度"],
  inputsMissing: [
    "That picture was drawn from another one, which the server does not keep. Choose it again above, then press Draw.",
    "该图片是根据另一张图片绘制的，服务器没有保存那张图片。请在上面重新选择，然后点击“绘制”。",
  ],
  key: ["API key", "API 密钥"],
  keyHint: [
    "It stays in this tab until you close it.",
    "密钥仅保存在此标签页中，关闭后即清除。",
  ],
  keyNeeded: ["This server needs an API key.", "此服务器需要 API 密钥。"],
  keyTitle: ["This server asks for a key", "此服务器需要密钥"],
  keyWrong: ["The server does not accept this key.", "服务器不接受此密钥。"],
  left: ["Left", "左"],
  loading: [
    "The server is still loading the model. You can already describe a picture.",
    "服务器正在加载模型，可以先描述画面。",
  ],
  loraAdd: ["Add a LoRA", "添加 LoRA"],
  loraAddChoice: ["Add a LoRA…", "添加 LoRA…"],
  loraRemove: ["Remove {name}", "移除 {name}"],
  loraWeight: ["Weight of {name}", "{name} 的权重"],
  loras: ["LoRAs", "LoRA"],
  mark: ["Mark an area", "标记区域"],
  marked: ["The picture to start from, with a marked area", "输入图片（已标记区域）"],
  maskHint: [
    "Paint over the area to redraw. Everything else stays as it is.",
    "涂抹需要重画的部分，其余部分保持不变。",
  ],
  maskPicture: ["The picture", "图片"],
  maskState: ["{percent} % of the picture is marked.", "已标记图片的 {percent}%。"],
  maskTitle: ["Mark an area", "标记区域"],
  model: ["Model", "模型"],
  more: ["More settings", "更多设置"],
  negativeHint: [
    "Models with a cfg scale of 1 ignore it.",
    "cfg 为 1 的模型会忽略负面提示词。",
  ],
  negativePrompt: ["Avoid (negative prompt)", "避免出现（负面提示词）"],
  notReachable: ["The server cannot be reached.", "无法连接服务器。"],
  notReadable: ["Your browser cannot read {name} as a picture.", "浏览器无法读取图片 {name}。"],
  older: ["Older pictures", "更早的图片"],
  otherSize: ["other…", "自定义…"],
  phaseDecode: ["Decoding", "正在解码"],
  phaseEncode: ["Reading the prompt", "正在理解提示词"],
  phaseEncodePictures: ["Reading the picture", "正在读取图片"],
  phaseFetch: ["Downloading the model", "正在下载模型"],
  phaseLoad: ["Loading the model", "正在加载模型"],
  phaseQueued: ["Waiting: number {position} in the queue", "排队中：第 {position} 位"],
  phaseSample: ["{step} of {steps} steps", "已完成 {step}/{steps} 步"],
  phaseStart: ["Starting", "正在开始"],
  phaseUpscale: ["Enlarging", "正在放大"],
  pictureIn: ["Start from a picture", "从图片开始"],
  pictureInChosen: ["The picture to start from", "输入图片"],
  progress: ["Progress of the drawing", "绘制进度"],
  progressLeft: ["{text}, {seconds} s left", "{text}，剩余 {seconds} 秒"],
  progressPercent: ["{text}, {percent} %", "{text}，{percent}%"],
  prompt: ["Prompt", "提示词"],
  promptExample: ["A red circle on a blue background", "a red circle on a blue background"],
  queueFull: ["Too many others are waiting. Try again in a moment.", "排队的人太多，请稍后再试。"],
  rectangle: ["Rectangle", "矩形"],
  remove: ["Remove", "移除"],
  sampler: ["Sampler", "采样器"],
  scheduler: ["Scheduler", "调度器"],
  seed: ["Seed", "种子"],
  seedFixed: ["fixed:", "固定："],
  seedNumber: ["Number of the seed", "种子数值"],
  seedRandom: ["random", "随机"],
  seedValue: ["seed {seed}", "种子 {seed}"],
  size: ["Size", "尺寸"],
  stage: ["Picture", "图片"],
  steps: ["Steps", "步数"],
  stepsValue: ["{steps} steps", "{steps} 步"],
  strength: ["Strength", "重绘强度"],
  strengthHigh: ["draw it anew", "完全重画"],
  strengthLow: ["keep it", "保留原图"],
  strengthValue: ["strength {strength}", "重绘强度 {strength}"],
  thumbnail: ["{prompt} (seed {seed})", "{prompt}（种子 {seed}）"],
  tool: ["Tool", "工具"],
  top: ["Top", "上"],
  undo: ["Undo", "撤销"],
  unmark: ["Unmark", "取消标记"],
  use: ["How the picture is used", "图片用途"],
  useEdit: ["change it as the prompt says", "按提示词修改"],
  useSettings: ["Use its settings", "使用其设置"],
  useStart: ["start from it", "以其为起点重画"],
  wholePicture: ["Whole picture", "整张图片"],
  width: ["Width", "宽度"],
  wrongSeed: [
    "The seed is not a whole number from 0 to 9223372036854775807.",
    "种子须为 0 到 9223372036854775807 的整数。",
  ],
};
const LANGUAGES = ["en", "zh"];
const NAMES = { en: "English", zh: "中文" };
const STORED = "gpustack-draw language";

let language = storedLanguage() ?? (navigator.language.startsWith("zh") ? "zh" : "en");

/** Return a text in the chosen language. */
export function text(key, values = {}) {
  const template = TEXTS[key][LANGUAGES.indexOf(language)];
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Write the texts into the page: data-text, data-label and data-placeholder name them. */
export function writeTexts() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset.label));
  }
  for (const element of document.querySelectorAll("[data-placeholder]")) {
    element.placeholder = text(element.dataset.placeholder);
  }
}

/** Let a button change the language, and call a function after each change. */
export function connectLanguageButton(button, changed) {
  const other = () => LANGUAGES.find((each) => each !== language);
  const label = () => {
    button.textContent = NAMES[other()];
    button.lang = other();
  };
  button.addEventListener("click", () => {
    language = other();
    store(language);
    writeTexts();
    label();
    changed();
  });
  label();
}

function storedLanguage() {
  try {
    const stored = localStorage.getItem(STORED);
    return LANGUAGES.includes(stored) ? stored : null;
  } catch {
    return null; // a browser that stores nothing
  }
}

function store(value) {
  try {
    localStorage.setItem(STORED, value);
  } catch {
    // The language is chosen again in the next tab.
  }
}
