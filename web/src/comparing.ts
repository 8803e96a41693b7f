// Comparing populations: state to districts, district to schools, school to grades.

import './style/page.css';
import './style/report.css';
import { preferred, useLanguage } from './lib/i18n.js';

await useLanguage(preferred(location.search, navigator.languages));
await import('./views/app.js');
