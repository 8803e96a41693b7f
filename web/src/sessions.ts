// Where you are signed in: one's own sessions, and ending them.

import './style/page.css';
import './style/report.css';
import './style/listing.css';
import { start } from './lib/start.js';

await start(() => import('./views/sessions.js'));
