"""The page and the verifier page, as files that are known by name before anyone asks."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watch.web.assets import INDEX, Asset, page_assets, verifier
from watch.web.ports import NotFound


def routes() -> list[Route]:
    """Give the routes of all that needs no password."""
    assets = page_assets()
    checking, policy = verifier()

    async def index(request: Request) -> Response:
        return _sent(request, assets[INDEX])

    async def asset(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        if found is None:
            raise NotFound("the page has no such file", "see /")
        return _sent(request, found)

    async def verifying(request: Request) -> Response:
        answer = _sent(request, checking)
        answer.headers["content-security-policy"] = policy
        return answer

    return [
        Route("/", index, methods=["GET"]),
        Route("/assets/{name:path}", asset, methods=["GET"]),
        Route("/verifier", verifying, methods=["GET"]),
    ]


def _sent(request: Request, asset: Asset) -> Response:
    """Answer with a file, or that the browser has it already."""
    headers = {"etag": asset.tag, "cache-control": "no-cache"}
    if request.headers.get("if-none-match") == asset.tag:
        return Response(status_code=304, headers=headers)
    return Response(asset.data, headers={**headers, "content-type": asset.type})
