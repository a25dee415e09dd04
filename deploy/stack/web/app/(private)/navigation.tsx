"use client";
import Link from "next/link";
import { usePathname } from "next/navigation";

const PAGES = { "/tasks": "Tasks", "/sessions": "Sessions", "/token": "Access token" };
const OF_ADMINISTRATORS = { "/admin": "Users" };

export function Navigation({ isAdministrator }: { isAdministrator: boolean }) {
  const here = usePathname();
  const pages = { ...PAGES, ...(isAdministrator && OF_ADMINISTRATORS) };
  return (
    <nav aria-label="Main">
      {Object.entries(pages).map(([path, title]) => (
        <Link key={path} href={path} aria-current={path === here ? "page" : undefined}>
          {title}
        </Link>
      ))}
    </nav>
  );
}
