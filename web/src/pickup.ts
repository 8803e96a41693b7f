// The page behind a download link: asks whether the file may be had, then fetches it, signs in, or says why not.

const start = document.getElementById('start')!;
const file = start.dataset.file!;

function show(id: 'start' | 'message' | 'later'): void {
    document.getElementById(id)!.hidden = false;
}

async function go(): Promise<void> {
    const answer = await fetch(`/validate/${file}`, { cache: 'no-store', headers: { Accept: 'application/json' } });
    if (answer.ok) {
        show('start');
        location.replace(`/file/${file}`); // a file to be saved: this page stays
        return;
    }
    if (answer.status === 401) {
        const problem = (await answer.json()) as { redirect?: unknown };
        if (typeof problem.redirect === 'string' && new URL(problem.redirect, location.href).origin === location.origin) {
            location.replace(problem.redirect);
            return;
        }
    }
    show(answer.status === 429 || answer.status >= 500 ? 'later' : 'message');
}

go().catch(() => show('later'));

export {};
