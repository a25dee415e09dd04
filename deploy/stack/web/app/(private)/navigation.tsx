"use client";
import Link from "next/link";
import { usePathname } from "next/navigation";
import { useEffect, useRef } from "react";
import styles from "./header.module.css";

const PAGES = { "/inside": "Inside", "/tasks": "Tasks", "/sessions": "Sessions", "/token": "Token" };
const ADMIN_PAGES = { "/admin": "Users" };

export function Navigation({ isAdministrator }: { isAdministrator: boolean }) {
  const currentPath = usePathname();
  const nav = useRef<HTMLElement>(null);
  // On narrow screens the links scroll sideways. Not scrollIntoView(), which also scrolls the page up to its header.
  useEffect(() => {
    const current = nav.current?.querySelector("[aria-current]");
    if (nav.current && current) nav.current.scrollLeft += center(current) - center(nav.current);
  }, [currentPath]);
  const pages = { ...PAGES, ...(isAdministrator && ADMIN_PAGES) };
  return (
    <nav ref={nav} aria-label="Main" className={styles.nav}>
      {Object.entries(pages).map(([path, title]) => (
        <Link key={path} href={path} aria-current={path === currentPath ? "page" : undefined}>
          {title}
        </Link>
      ))}
    </nav>
  );
}

function center(element: Element): number {
  const { left, width } = element.getBoundingClientRect();
  return left + width / 2;
}
