// My downloads: what the user asked for, how far it is, where to get it.

import './style/page.css';
import './style/report.css';
import './style/listing.css';
import { start } from './lib/start.js';

await start(() => import('./views/downloads.js'));
