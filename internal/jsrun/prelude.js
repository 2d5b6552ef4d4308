// What scripts find in their runtime besides the language itself. It is called
// with the functions of native.go before any other script is run, and returns
// what calls the function that is asked for.
(function (n) {
  'use strict';
  const stringify = JSON.stringify, parse = JSON.parse;
  const property = Object.defineProperty;
  const define = (name, value) =>
    property(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
  // Most scripts use little of what there is, and making all of it costs more than
  // running them: what has a name is made when somebody asks for it.
  const once = (make) => {
    let made;
    return () => (made === undefined ? (made = make()) : made);
  };
  const later = (name, make) =>
    property(globalThis, name, {
      get() { const v = make(); define(name, v); return v; }, set(v) { define(name, v); }, configurable: true, enumerable: false,
    });

  // Buffers.
  const bytesOf = (v, encoding) => {
    if (typeof v === 'string') return n.encode(v, encoding || 'utf8');
    if (v instanceof ArrayBuffer) return v;
    if (ArrayBuffer.isView(v)) return v.buffer.slice(v.byteOffset, v.byteOffset + v.byteLength);
    throw new TypeError('a string, a Buffer or a typed array is expected');
  };
  const theBuffer = once(() => {
    class Buffer extends Uint8Array {
      static from(v, encoding, length) {
        if (v instanceof ArrayBuffer) return new Buffer(v, encoding || 0, length);
        if (typeof v === 'string' || ArrayBuffer.isView(v)) return new Buffer(bytesOf(v, encoding));
        if (v && v.type === 'Buffer' && Array.isArray(v.data)) return new Buffer(v.data);
        if (v && typeof v.length === 'number') return new Buffer(Array.from(v));
        throw new TypeError('Buffer.from takes a string, a list of bytes or a buffer');
      }
      static alloc(size, fill, encoding) {
        const b = new Buffer(size);
        return fill === undefined ? b : b.fill(fill, encoding);
      }
      static allocUnsafe(size) { return new Buffer(size); }
      static isBuffer(v) { return v instanceof Buffer; }
      static isEncoding(name) { return n.isEncoding(String(name)); }
      static byteLength(v, encoding) { return bytesOf(v, encoding).byteLength; }
      static compare(a, b) { return n.compare(bytesOf(a), bytesOf(b)); }
      static concat(list, total) {
        let size = 0;
        for (const b of list) size += b.length;
        const out = new Buffer(total === undefined ? size : total);
        let at = 0;
        for (const b of list) {
          if (at >= out.length) break;
          const part = b.length > out.length - at ? b.subarray(0, out.length - at) : b;
          out.set(part, at);
          at += part.length;
        }
        return out;
      }
      fill(v, encoding) {
        if (typeof v === 'number') return super.fill(v);
        const part = new Uint8Array(bytesOf(v, typeof encoding === 'string' ? encoding : 'utf8'));
        for (let i = 0; part.length > 0 && i < this.length; i++) this[i] = part[i % part.length];
        return this;
      }
      toString(encoding, from, to) {
        const whole = from === undefined && to === undefined;
        return n.decode(bytesOf(whole ? this : this.subarray(from || 0, to)), encoding || 'utf8');
      }
      toJSON() { return { type: 'Buffer', data: Array.from(this) }; }
      equals(other) { return n.compare(bytesOf(this), bytesOf(other)) === 0; }
      compare(other) { return n.compare(bytesOf(this), bytesOf(other)); }
      slice(from, to) { return this.subarray(from, to); }
      readUInt8(at) { return this[at || 0]; }
      view() { return new DataView(this.buffer, this.byteOffset, this.byteLength); }
      readUInt16BE(at) { return this.view().getUint16(at || 0); }
      readUInt16LE(at) { return this.view().getUint16(at || 0, true); }
      readUInt32BE(at) { return this.view().getUint32(at || 0); }
      readUInt32LE(at) { return this.view().getUint32(at || 0, true); }
      readInt32BE(at) { return this.view().getInt32(at || 0); }
      readInt32LE(at) { return this.view().getInt32(at || 0, true); }
    }
    return Buffer;
  });
  later('Buffer', theBuffer);
  define('atob', (s) => n.decode(n.encode(String(s), 'base64'), 'latin1'));
  define('btoa', (s) => n.decode(n.encode(String(s), 'latin1-strict'), 'base64'));
  const theEncoder = once(() => class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(s) { return new Uint8Array(n.encode(s === undefined ? '' : String(s), 'utf8')); }
  });
  const theDecoder = once(() => class TextDecoder {
    constructor(label) {
      if (label !== undefined && !/^utf-?8$/i.test(String(label))) throw new RangeError('TextDecoder reads utf-8 only');
    }
    get encoding() { return 'utf-8'; }
    decode(v) { return v === undefined ? '' : n.decode(bytesOf(v), 'utf8').replace(/^\uFEFF/, ''); }
  });
  later('TextEncoder', theEncoder);
  later('TextDecoder', theDecoder);

  // Digests.
  const theCrypto = once(() => {
    const Buffer = theBuffer();
    class Hash {
      #sum; #parts = [];
      constructor(sum) { this.#sum = sum; }
      update(data, encoding) {
        if (!this.#parts) throw new Error('digest was called already');
        this.#parts.push(Buffer.from(bytesOf(data, encoding)));
        return this;
      }
      digest(encoding) {
        if (!this.#parts) throw new Error('digest was called already');
        const out = Buffer.from(this.#sum(bytesOf(Buffer.concat(this.#parts))));
        this.#parts = null;
        return encoding === undefined || encoding === 'buffer' ? out : out.toString(encoding);
      }
    }
    return {
      createHash(name) {
        n.hash(String(name), new ArrayBuffer(0)); // an unknown one fails here
        return new Hash((data) => n.hash(String(name), data));
      },
      createHmac(name, key) {
        const k = bytesOf(key);
        n.hash(String(name), new ArrayBuffer(0));
        return new Hash((data) => n.hmac(String(name), k, data));
      },
      timingSafeEqual(a, b) {
        const x = bytesOf(a), y = bytesOf(b);
        if (typeof a === 'string' || typeof b === 'string') throw new TypeError('timingSafeEqual compares buffers');
        if (x.byteLength !== y.byteLength) throw new RangeError('Input buffers must have the same byte length');
        return n.same(x, y);
      },
      randomBytes(size) { return Buffer.from(n.random(Number(size))); },
      randomUUID() {
        const b = Buffer.from(n.random(16));
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        return b.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
      },
      getHashes() { return n.hashes(); },
    };
  });
  later('crypto', theCrypto);
  for (const name of ['createHmac', 'createHash', 'timingSafeEqual']) later(name, () => theCrypto()[name]);

  // Addresses.
  const theParams = once(() => class URLSearchParams {
    #list = []; #changed = null;
    constructor(init, changed) {
      if (typeof init === 'string' || init === undefined || init === null) {
        for (const pair of String(init === undefined || init === null ? '' : init).replace(/^\?/, '').split('&')) {
          if (pair === '') continue;
          const at = pair.indexOf('=');
          this.#list.push(at < 0 ? [n.unform(pair), ''] : [n.unform(pair.slice(0, at)), n.unform(pair.slice(at + 1))]);
        }
      } else if (typeof init[Symbol.iterator] === 'function') {
        for (const [k, v] of init) this.#list.push([String(k), String(v)]);
      } else {
        for (const k of Object.keys(init)) this.#list.push([k, String(init[k])]);
      }
      if (changed) this.#changed = changed;
    }
    #tell() { if (this.#changed) this.#changed(this.toString()); }
    get size() { return this.#list.length; }
    append(k, v) { this.#list.push([String(k), String(v)]); this.#tell(); }
    delete(k) { this.#list = this.#list.filter((p) => p[0] !== String(k)); this.#tell(); }
    get(k) { const p = this.#list.find((q) => q[0] === String(k)); return p ? p[1] : null; }
    getAll(k) { return this.#list.filter((p) => p[0] === String(k)).map((p) => p[1]); }
    has(k) { return this.#list.some((p) => p[0] === String(k)); }
    set(k, v) {
      const i = this.#list.findIndex((p) => p[0] === String(k));
      if (i < 0) return this.append(k, v);
      this.#list = this.#list.filter((p, j) => j <= i || p[0] !== String(k));
      this.#list[i][1] = String(v);
      this.#tell();
    }
    sort() { this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0)); this.#tell(); }
    forEach(f, self) { for (const [k, v] of this.#list) f.call(self, v, k, this); }
    keys() { return this.#list.map((p) => p[0])[Symbol.iterator](); }
    values() { return this.#list.map((p) => p[1])[Symbol.iterator](); }
    entries() { return this.#list.map((p) => [p[0], p[1]])[Symbol.iterator](); }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return this.#list.map((p) => n.form(p[0]) + '=' + n.form(p[1])).join('&'); }
  });
  const theURL = once(() => {
    const URLSearchParams = theParams();
    class URL {
      #at; #params = null;
      constructor(address, base) {
        this.#at = n.url(String(address), base === undefined ? null : String(base));
        if (!this.#at) throw new TypeError('Invalid URL');
      }
      static canParse(address, base) { return !!n.url(String(address), base === undefined ? null : String(base)); }
      static get(u, part) { return u.#at[part]; }
      static set(u, part, value) {
        u.#at = n.setURL(u.#at.href, part, String(value)) || u.#at;
        if (part === 'search' || part === 'href') u.#params = null;
      }
      get origin() { return this.#at.origin; }
      get searchParams() {
        if (!this.#params) {
          this.#params = new URLSearchParams(this.#at.search, (text) => {
            this.#at = n.setURL(this.#at.href, 'search', text) || this.#at;
          });
        }
        return this.#params;
      }
      toString() { return this.#at.href; }
      toJSON() { return this.#at.href; }
    }
    const { get: partOf, set: setPart } = URL;
    delete URL.get;
    delete URL.set;
    for (const part of ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash']) {
      property(URL.prototype, part, {
        get() { return partOf(this, part); }, set(v) { setPart(this, part, v); }, configurable: true, enumerable: true,
      });
    }
    return URL;
  });
  later('URL', theURL);
  later('URLSearchParams', theParams);

  // The console.
  const theConsole = once(() => {
    const shown = (v) => {
      if (typeof v === 'string') return v;
      if (v instanceof Error) return v.name + ': ' + v.message;
      if (typeof v === 'object' && v !== null) {
        try { return stringify(v); } catch (e) { return String(v); }
      }
      return String(v);
    };
    const line = (level) => (...args) => n.log(level, args.map(shown).join(' '));
    return {
      log: line('log'), info: line('info'), warn: line('warn'), error: line('error'),
      debug: line('debug'), trace: line('debug'),
    };
  });
  later('console', theConsole);

  // Errors that tell the caller what he did wrong.
  const errorNames = ['BadRequestError', 'UnauthorizedError', 'NotFoundError'];
  const theErrors = once(() => {
    const errors = {};
    for (const name of errorNames) {
      errors[name] = class extends Error {
        constructor(message) { super(message === undefined || message === null ? name : message.message || String(message)); }
        get name() { return name; }
      };
      property(errors[name], 'name', { value: name });
    }
    return errors;
  });
  for (const name of errorNames) later(name, () => theErrors()[name]);

  // The other system, for functions that have a connection.
  const theClient = once(() => {
    const errors = theErrors(), Buffer = theBuffer();
    const method = (name, hasBody) => async (path, second, third) => {
      const o = (hasBody ? third : third || {}) || {};
      const query = hasBody ? o.query : Object.assign({}, o.query, second);
      const answer = parse(await n.ask(stringify({
        method: name, path: String(path), query, data: hasBody ? second : undefined, headers: o.headers, baseUri: o.baseUri,
        auth: o.auth, responseType: o.responseType,
      })));
      if (answer.error) {
        const e = new (errors[answer.error.name] || Error)(answer.error.message);
        if (!errors[answer.error.name]) e.name = answer.error.name;
        e.status = answer.status;
        e.data = answer.data;
        throw e;
      }
      const data = answer.base64 === undefined ? answer.data : bytesOf(Buffer.from(answer.base64, 'base64'));
      return o.returnFullResponse ? { status: answer.status, headers: answer.headers, data } : data;
    };
    return {
      get: method('GET', false), post: method('POST', true), put: method('PUT', true), patch: method('PATCH', true), delete: method('DELETE', true),
    };
  });
  const theEngineClient = () => {
    const absent = async () => { throw new Error('there is no engine of the vendor here'); };
    return { get: absent, post: absent, put: absent, patch: absent, delete: absent };
  };

  const require = (name) => {
    const full = String(name), plain = full.startsWith('node:') ? full.slice(5) : full;
    switch (plain) {
      case 'crypto': return theCrypto();
      case 'buffer': return { Buffer: theBuffer() };
      case 'url': return { URL: theURL(), URLSearchParams: theParams() };
      case 'util': return { TextEncoder: theEncoder(), TextDecoder: theDecoder() };
    }
    if (plain.startsWith('@integration-app/') || plain.startsWith('@membranehq/')) return theErrors();
    throw new Error('there is no module ' + stringify(full));
  };

  // chosen finds the function that a script exports.
  const chosen = (exported, names) => {
    if (typeof exported === 'function') return exported;
    for (const name of ['default', ...names]) {
      const f = exported && exported[name];
      if (typeof f === 'function') return f;
      if (name === 'default' && f && typeof f.default === 'function') return f.default;
    }
    throw new TypeError('the script exports no function: write `export default async function ' + names[0] + '(…)`');
  };
  return async (script, names, text, api) => {
    const module = { exports: {} };
    script.call(module.exports, module, module.exports, require); // nothing of the script has run before
    const argument = parse(text);
    if (api) {
      const apiClient = theClient();
      argument.apiClient = apiClient;
      argument.externalApiClient = apiClient;
      argument.engineApiClient = theEngineClient();
    }
    const out = stringify(await chosen(module.exports, names)(argument));
    return out === undefined ? 'null' : out;
  };
})
