// Comparing populations: state to districts, district to schools, school to grades.

import './style/page.css';
import './style/report.css';
import { start } from './lib/start.js';

await start(() => import('./views/app.js'));
