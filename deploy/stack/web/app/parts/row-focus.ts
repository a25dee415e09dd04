"use client";

/** Before *row* goes: if the focus is in it, move the focus to the row beside it, or else to *otherwise*. */
export function leaveRow(row: Element, otherwise: HTMLElement | null): void {
  if (!row.contains(document.activeElement)) return;
  const neighbor = row.nextElementSibling ?? row.previousElementSibling;
  const control = neighbor?.querySelector<HTMLElement>("input, button") ?? otherwise;
  control?.focus();
}
