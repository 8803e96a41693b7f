// A script that a page fetches later is not there any more after an upgrade of the server.

const STORE = 'smarter.upgrade.';
/** Whoever began again for a script less long ago than this does not for the same one. */
const AGAIN_MS = 10 * 60_000;

/** Is the server there, though the script was not? */
async function answers(): Promise<boolean> {
    return fetch(location.href, { method: 'HEAD', cache: 'no-store' }).then((r) => r.ok, () => false);
}

/**
 * A script could not be had: if an upgrade can be the reason, the page begins again, with the new ones. Once: where it is
 * something else that keeps the script away, beginning again would not help a second time.
 * @return false: it is something else, such as the connection
 */
export async function isUpgraded(script: string): Promise<boolean> {
    const key = STORE + script;
    const age = Date.now() - Number(sessionStorage.getItem(key) ?? 0);
    if ((age >= 0 && age < AGAIN_MS) || !(await answers())) {
        return false;
    }
    sessionStorage.setItem(key, String(Date.now()));
    location.reload();
    return true;
}
