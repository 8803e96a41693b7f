// The page behind a download link: asks whether the file may be had, then fetches it, signs in, or says why not.
const message = document.getElementById('message')!;
const file = message.dataset.file!;

async function go(): Promise<void> {
    const answer = await fetch(`/validate/${file}`, { cache: 'no-store', headers: { Accept: 'application/json' } });
    if (answer.ok) {
        location.replace(`/file/${file}`);
        return;
    }
    if (answer.status === 401) {
        const problem = (await answer.json()) as { redirect?: unknown };
        if (typeof problem.redirect === 'string' && new URL(problem.redirect, location.href).origin === location.origin) {
            location.replace(problem.redirect);
            return;
        }
    }
    message.hidden = false;
}

go().catch(() => {
    message.hidden = false;
});

export {};
