/** The product's mark, a gate, in the color of the text around it. It is decoration: the name beside it is text. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="8" fill="currentColor" />
      <path className="mark-lines" d="M7 26V15a9 9 0 0 1 18 0v11M4.5 26h23M16 26v-6" />
      <circle className="mark-lock" cx="16" cy="16.5" r="3.2" />
    </svg>
  );
}
