// Builds the pages: scripts (what pages share, and what is fetched on first use, are files of their own) and
// one style sheet per page, named by their content, and the HTML that refers to them. `node build.mjs [--test | --watch]`; output web/dist/assets (or web/node_modules/.test).
import { build, context } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync, copyFileSync, renameSync, existsSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = dirname(fileURLToPath(import.meta.url));
process.chdir(top);

// Where each page is served, and its script; the addresses are those users have in their bookmarks. A page that its
// script draws is app.html around its element, its text in the catalogue the title; others have HTML of their own.
const pages = {
    'html/comparingPopulations.html': { entry: 'comparing', element: 'sb-comparing', title: 'title.report' },
    'html/downloads.html': { entry: 'downloads', element: 'sb-downloads', title: 'downloads.title' },
    'html/sessions.html': { entry: 'sessions', element: 'sb-sessions', title: 'sessions.title' },
    'html/index.html': { entry: 'dispatch' },
    'public/landing.html': { entry: 'landing' },
    'public/error.html': { entry: 'error' }
};
const entryPoints = Object.values(pages).map(({ entry }) => `src/${entry}.ts`);
const testDir = 'node_modules/.test';
const locales = readdirSync('locales').sort();

const common = {
    bundle: true,
    format: 'esm',
    target: 'es2022',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    loader: { '.woff2': 'file', '.svg': 'file' }
};

/** What a language says: a catalogue of what every page says, and one for each page's own. */
function parts(locale) {
    return readdirSync(`locales/${locale}`).sort().map((f) => [f, JSON.parse(readFileSync(`locales/${locale}/${f}`, 'utf8'))]);
}

function catalogue(locale) {
    return Object.assign({}, ...parts(locale).map(([, texts]) => texts));
}

/** A language that lacks a text, has one too many, or has it twice, is a mistake of ours: say so while building. */
function checkLocales() {
    const keys = (locale) => parts(locale).flatMap(([file, texts]) => Object.keys(texts).map((key) => `${file}: ${key}`));
    const want = keys('en');
    for (const locale of locales) {
        const have = keys(locale);
        const missing = want.filter((k) => !have.includes(k));
        const extra = have.filter((k) => !want.includes(k));
        const twice = have.length - Object.keys(catalogue(locale)).length;
        if (missing.length || extra.length || twice) {
            throw new Error(`locales/${locale}: missing [${missing}], unknown [${extra}], ${twice} twice`);
        }
    }
}

function hashed(name, text) {
    const hash = createHash('sha256').update(text).digest('hex').slice(0, 10);
    const dot = name.lastIndexOf('.');
    return `${name.slice(0, dot)}-${hash}${name.slice(dot)}`;
}

function escapeHtml(s) {
    return s.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
}

/** Languages other than English are fetched when chosen, so their files need stable, hashed names. */
function writeLocales(out) {
    const names = {};
    for (const locale of locales.filter((l) => l !== 'en')) {
        const text = JSON.stringify(catalogue(locale));
        names[locale] = '/assets/immutable/' + hashed(`${locale}.json`, text);
        writeFileSync(join(out, names[locale].replace('/assets/', 'assets/')), text);
    }
    return names;
}

/** The scripts a page begins with: what its entry names, and what that imports in turn. Without being told, a
 *  browser would learn of each level only from the one before. */
function firstScripts(outputs, entry) {
    const named = outputs[entry].imports.map((i) => i.path);
    const found = new Set();
    const add = (path) => {
        if (!found.has(path)) {
            found.add(path);
            outputs[path].imports.filter((i) => i.kind === 'import-statement').forEach((i) => add(i.path));
        }
    };
    named.filter((path) => path in outputs).forEach(add);
    return [...found];
}

function writePages(out, meta, icon) {
    const en = catalogue('en');
    for (const [file, { entry, element, title }] of Object.entries(pages)) {
        const made = Object.entries(meta.outputs).find(([, o]) => o.entryPoint === `src/${entry}.ts`);
        const url = (path) => '/' + path.slice(path.indexOf('assets/'));
        const font = Object.keys(meta.outputs).find((f) => f.endsWith('.woff2'));
        const ahead = firstScripts(meta.outputs, made[0]).map((path) => `<link rel="modulepreload" href="${url(path)}">\n`).join('');
        const html = readFileSync(`src/pages/${element ? 'app.html' : file.split('/')[1]}`, 'utf8')
            .replaceAll('{{element}}', element)
            .replaceAll('{{title}}', `{{msg:${title}}}`)
            .replace('<script type="module" src="{{script}}">', (script) => ahead + script)
            .replaceAll('{{script}}', url(made[0]))
            .replaceAll('{{style}}', url(made[1].cssBundle))
            .replaceAll('{{icon}}', icon)
            .replaceAll('{{font}}', url(font))
            .replace(/\{\{msg:([\w.]+)\}\}/g, (_, key) => {
                if (!(key in en)) {
                    throw new Error(`${file}: no text named ${key}`);
                }
                return escapeHtml(en[key]);
            });
        mkdirSync(dirname(join(out, 'assets', file)), { recursive: true });
        writeFileSync(join(out, 'assets', file), html);
    }
}

async function site() {
    checkLocales();
    // Built aside and renamed: a running server never sees half a build.
    const out = 'dist.new';
    rmSync(out, { recursive: true, force: true });
    mkdirSync(join(out, 'assets/immutable'), { recursive: true });
    const iconText = readFileSync('src/style/icon.svg');
    const icon = '/assets/immutable/' + hashed('icon.svg', iconText);
    copyFileSync('src/style/icon.svg', join(out, icon));
    const result = await build({
        ...common,
        entryPoints,
        outdir: join(out, 'assets/immutable'),
        entryNames: '[name]-[hash]',
        assetNames: '[name]-[hash]',
        chunkNames: '[name]-[hash]',
        splitting: true,
        publicPath: '/assets/immutable',
        define: { LOCALE_FILES: JSON.stringify(writeLocales(out)) },
        minify: true,
        metafile: true
    });
    writePages(out, result.metafile, icon);
    // The server's own short pages know these addresses, so they carry no hash.
    await build({
        ...common,
        entryPoints: { message: 'src/style/message.css', pickup: 'src/pickup.ts' },
        outdir: join(out, 'assets/public'),
        assetNames: '../immutable/[name]-[hash]',
        publicPath: '/assets/public',
        minify: true
    });
    copyFileSync('node_modules/@fontsource-variable/inter/LICENSE', join(out, 'assets/immutable/inter-LICENSE.txt'));
    copyFileSync('src/style/favicon.ico', join(out, 'assets/public/favicon.ico'));
    rmSync('dist.old', { recursive: true, force: true });
    if (existsSync('dist')) {
        renameSync('dist', 'dist.old');
    }
    renameSync(out, 'dist');
    rmSync('dist.old', { recursive: true, force: true });
    const sizes = Object.entries(result.metafile.outputs)
        .filter(([f]) => /\.(js|css)$/.test(f))
        .map(([f, o]) => `${f.split('/').pop()} ${(o.bytes / 1024).toFixed(1)}K`);
    console.log(sizes.join('\n'));
}

async function tests() {
    rmSync(testDir, { recursive: true, force: true });
    await build({
        ...common,
        platform: 'node',
        entryPoints: readdirSync('test').filter((f) => f.endsWith('.test.ts')).map((f) => `test/${f}`),
        outdir: testDir,
        outExtension: { '.js': '.mjs' },
        define: { LOCALE_FILES: '{}' },
        sourcemap: 'inline'
    });
}

if (process.argv.includes('--test')) {
    await tests();
} else if (process.argv.includes('--watch')) {
    const ctx = await context({
        ...common,
        entryPoints,
        write: false,
        outdir: '.watch',
        define: { LOCALE_FILES: '{}' },
        plugins: [{ name: 'site', setup(b) { b.onEnd(() => site().catch((e) => console.error(String(e)))); } }]
    });
    await ctx.watch();
} else {
    execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmit'], { stdio: 'inherit' });
    await site();
}
