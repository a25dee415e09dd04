"use client";
import Link from "next/link";
import { usePathname } from "next/navigation";

const PAGES = { "/tasks": "Tasks", "/sessions": "Sessions", "/token": "Access token" };
const ADMIN_PAGES = { "/admin": "Users" };

export function Navigation({ isAdministrator }: { isAdministrator: boolean }) {
  const currentPath = usePathname();
  const pages = { ...PAGES, ...(isAdministrator && ADMIN_PAGES) };
  return (
    <nav aria-label="Main">
      {Object.entries(pages).map(([path, title]) => (
        <Link key={path} href={path} aria-current={path === currentPath ? "page" : undefined}>
          {title}
        </Link>
      ))}
    </nav>
  );
}
