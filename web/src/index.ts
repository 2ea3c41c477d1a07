import { watchURL } from './stream';

const form = document.querySelector<HTMLFormElement>('#watch');
const input = document.querySelector<HTMLInputElement>('#stream');

// The page's policy lets no form be sent anywhere: the script goes to the page.
form?.addEventListener('submit', (event) => {
  event.preventDefault();
  if (input) location.assign(watchURL(input.value.trim()));
});
