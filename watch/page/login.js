// The form that asks for the password, where the server wants one.

import { post } from "./api.js";
import { make, say } from "./dom.js";

/** Show the form in `root`; `inside` is called once the server lets us in. */
export function login(root, inside) {
  const password = make("input", { type: "password", name: "password", autocomplete: "current-password", required: true, "aria-describedby": "login-problem" });
  const problem = make("p", { class: "problem", id: "login-problem", role: "alert" });
  const button = make("button", { type: "submit", class: "main" }, "Log in");
  const form = make(
    "form", { class: "login" }, make("h1", {}, "Log in"), make("p", { class: "soft" }, "This factory's page is not for everybody."),
    // For a reader's keeper of passwords; there is one password, and no name.
    make("input", { type: "text", name: "username", autocomplete: "username", value: "factory", hidden: true }),
    make("label", {}, "Password", password), problem, button,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    say(problem, "");
    try {
      await post("/login", { password: password.value });
      inside();
    } catch (error) {
      say(problem, error.status === 401 ? "This is not the password." : `${error.message}. ${error.attempt ?? ""}`);
      password.select();
    }
    button.disabled = false;
  });
  root.replaceChildren(form);
  password.focus();
}
