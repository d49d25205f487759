// A writer of zip files that stores what it is given, uncompressed.
const LOCAL = 0x04034b50, CENTRAL = 0x02014b50, END = 0x06054b50;
const VERSION = 20, NAMES_ARE_UTF8 = 0x0800, STORED = 0;
const DATE = (1 << 5) | 1; // 1 January 1980
const REGULAR_FILE = 0o100644;

// zip returns a zip file with the given files: their texts or bytes by name.
export function zip(files) {
  const locals = [], centrals = [];
  let at = 0;
  for (const [name, content] of Object.entries(files)) {
    const data = Buffer.from(content);
    const label = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(VERSION, 0);
    common.writeUInt16LE(NAMES_ARE_UTF8, 2);
    common.writeUInt16LE(STORED, 4);
    common.writeUInt16LE(DATE, 8);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(label.length, 22);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE((REGULAR_FILE << 16) >>> 0, 6);
    rest.writeUInt32LE(at, 10);
    const local = Buffer.concat([word(LOCAL), common, label, data]);
    centrals.push(Buffer.concat([word(CENTRAL), half((3 << 8) | VERSION), common, rest, label]));
    locals.push(local);
    at += local.length;
  }
  const directory = Buffer.concat(centrals);
  const count = half(centrals.length);
  const end = Buffer.concat([word(END), half(0), half(0), count, count, word(directory.length), word(at), half(0)]);
  return Buffer.concat([...locals, directory, end]);
}

function word(n) {
  const b = Buffer.alloc(4);
  b.writeUInt32LE(n);
  return b;
}

function half(n) {
  const b = Buffer.alloc(2);
  b.writeUInt16LE(n);
  return b;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

// crc32 returns the checksum that zip files have of each of their files.
function crc32(bytes) {
  let sum = ~0;
  for (const byte of bytes) sum = crcTable[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return ~sum >>> 0;
}
