"""Auth.js v5's and NextAuth v4's formats: encrypted session cookies, and the opaque ones of their database strategy."""
