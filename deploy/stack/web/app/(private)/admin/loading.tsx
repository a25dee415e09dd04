export { Loading as default } from "@/app/parts/loading";
