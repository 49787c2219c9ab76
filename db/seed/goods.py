"""The collection: sixty articles with every fact that copy may name."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from db.models import Product
from db.seed.ids import Ids

# SKU: season 8, W women's | M men's | U for both, kind, number, material, colourway.
# sku | name | category | material | price in yuan | how often it sells | colours
ARTICLES = """
8WZ01CM1|羊绒大衣|大衣|100%山羊绒|2680|3|驼色 燕麦色 黑色
8WZ02WL1|双面呢长款大衣|大衣|90%羊毛 10%桑蚕丝|1980|4|焦糖色 雾霾蓝 黑色
8WZ03WL2|收腰羊毛短大衣|大衣|80%羊毛 20%聚酯纤维|1380|4|奶白色 枣红色
8WZ04CT1|经典系带风衣|风衣|65%棉 35%锦纶|1080|4|卡其色 藏青色
8WY01DN1|轻暖短款羽绒服|羽绒服|90%白鸭绒|1199|5|米白色 樱花粉 黑色
8WY02DN2|连帽长款羽绒服|羽绒服|90%白鹅绒|1899|3|雾灰色 黑色
8WX01WL1|羊毛混纺西装外套|西装|55%羊毛 45%聚酯纤维|990|4|炭灰色 咖啡格
8WX02LN1|亚麻休闲西装|西装|55%亚麻 45%棉|799|2|浅卡其色 白色
8WM01CM1|圆领羊绒衫|针织衫|100%山羊绒|1180|5|燕麦色 酒红色 浅灰色
8WM02WL1|高领羊毛打底衫|针织衫|100%美丽诺羊毛|499|9|黑色 米白色 焦糖色
8WM03WL2|麻花针织开衫|针织衫|70%羊毛 30%腈纶|459|7|奶白色 雾霾蓝
8WM04CT1|细条纹针织上衣|针织衫|60%棉 40%粘纤|329|8|蓝白条 黑白条
8WS01SK1|桑蚕丝衬衫|衬衫|100%桑蚕丝|799|5|珍珠白 烟粉色
8WS02CT1|长绒棉通勤衬衫|衬衫|100%长绒棉|369|9|白色 浅蓝色
8WS03TC1|醋酸缎面衬衫|衬衫|70%三醋酸 30%聚酯纤维|569|5|香槟色 墨绿色
8WL01SK1|真丝印花连衣裙|连衣裙|100%桑蚕丝|1280|4|墨绿印花 藏蓝印花
8WL02WL1|针织羊毛连衣裙|连衣裙|85%羊毛 15%锦纶|759|6|黑色 驼色
8WL03TC1|法式收腰连衣裙|连衣裙|78%三醋酸 22%聚酯纤维|699|6|酒红色 黑色
8WL04CT1|棉质衬衫裙|连衣裙|100%棉|459|6|浅蓝色 米色
8WQ01WL1|羊毛百褶半裙|半身裙|50%羊毛 50%聚酯纤维|529|6|灰色 深棕格
8WQ02TC1|缎面鱼尾半裙|半身裙|100%三醋酸|459|5|香槟色 黑色
8WQ03DM1|牛仔A字半裙|半身裙|98%棉 2%氨纶|299|7|水洗蓝 复古蓝
8WK01WL1|高腰羊毛阔腿裤|裤装|60%羊毛 40%聚酯纤维|629|7|炭灰色 黑色
8WK02PL1|垂感直筒西裤|裤装|72%聚酯纤维 24%粘纤 4%氨纶|359|9|黑色 咖色
8WK03DM1|高腰小脚牛仔裤|牛仔|98%棉 2%氨纶|329|9|深蓝色 浅蓝色
8WK04DM2|微喇牛仔裤|牛仔|99%棉 1%氨纶|379|7|复古蓝 黑色
8WT01CT1|重磅纯棉T恤|T恤|100%棉|159|12|白色 黑色 雾蓝色
8WT02MD1|莫代尔打底衫|T恤|48%莫代尔 46%棉 6%氨纶|139|12|白色 黑色 豆沙色
8WW01CT1|宽松连帽卫衣|卫衣|80%棉 20%聚酯纤维|299|8|燕麦色 雾紫色
8WW02CT2|圆领加绒卫衣|卫衣|72%棉 28%聚酯纤维|279|8|浅灰色 樱花粉
8MZ01WL1|男士羊毛大衣|大衣|90%羊毛 10%羊绒|1880|3|藏青色 炭灰色
8MZ02CT1|男士棉质风衣|风衣|100%棉|980|3|卡其色 黑色
8MY01DN1|男士轻型羽绒服|羽绒服|90%白鸭绒|999|5|黑色 军绿色 藏青色
8MY02DN2|男士派克羽绒服|羽绒服|90%白鹅绒|1699|3|黑色 深灰色
8MX01WL1|男士修身西装|西装|70%羊毛 30%聚酯纤维|1280|3|藏青色 深灰色
8MX02PL1|男士弹力休闲西装|西装|88%聚酯纤维 12%氨纶|699|4|黑色 浅灰色
8MM01CM1|男士羊绒V领衫|针织衫|100%山羊绒|1080|3|藏青色 驼色
8MM02WL1|男士半高领毛衣|针织衫|100%羊毛|459|6|黑色 深灰色 酒红色
8MM03CT1|男士棉线针织衫|针织衫|100%棉|299|6|米色 藏青色
8MS01CT1|男士免烫衬衫|衬衫|100%棉|329|8|白色 浅蓝色
8MS02CT2|男士牛津纺衬衫|衬衫|100%棉|299|7|浅蓝色 白色 粉色
8MS03LN1|男士亚麻衬衫|衬衫|100%亚麻|369|3|白色 雾蓝色
8MK01PL1|男士商务西裤|裤装|68%聚酯纤维 30%粘纤 2%氨纶|339|7|黑色 深灰色
8MK02CT1|男士休闲卡其裤|裤装|98%棉 2%氨纶|299|8|卡其色 藏青色
8MK03DM1|男士直筒牛仔裤|牛仔|98%棉 2%氨纶|329|8|深蓝色 黑色
8MT01CT1|男士重磅T恤|T恤|100%棉|149|11|白色 黑色 军绿色
8MT02CT2|男士POLO衫|T恤|95%棉 5%氨纶|229|7|藏青色 白色
8MW01CT1|男士加绒卫衣|卫衣|75%棉 25%聚酯纤维|299|7|深灰色 黑色
8UN01HT1|发热保暖内衣套装|内衣家居|46%腈纶 34%粘纤 20%聚酯纤维|199|11|黑色 肤色 深灰色
8UN02MD1|莫代尔家居服|内衣家居|95%莫代尔 5%氨纶|269|7|浅灰色 豆沙色
8UA01CM1|羊绒围巾|配饰|100%山羊绒|499|7|驼色 浅灰色 正红色
8UA02WL1|羊毛格纹围巾|配饰|100%羊毛|259|8|英伦格 黑白格
8UA03WL2|羊毛针织帽|配饰|80%羊毛 20%锦纶|129|8|黑色 燕麦色
8UA04LT1|羊皮手套|配饰|绵羊皮|229|5|黑色 焦糖色
8UA05LT2|头层牛皮腰带|配饰|头层牛皮|199|6|黑色 棕色
8UA06CT1|精梳棉中筒袜三双装|配饰|80%棉 17%锦纶 3%氨纶|59|14|黑白灰 大地色
8UB01LT1|牛皮托特包|包袋|头层牛皮|899|3|黑色 焦糖色
8UB02CV1|帆布通勤包|包袋|棉帆布|259|6|米白色 藏青色
8UF01LT1|牛皮乐福鞋|鞋履|头层牛皮|599|5|黑色 棕色
8UF02LT2|切尔西短靴|鞋履|头层牛皮|759|4|黑色 深棕色
"""

OTHER_GENDER = 0.12  # how much of an article's pull is left for somebody it was not cut for
LINES = {"W": "female", "M": "male"}


@dataclass(frozen=True, slots=True)
class Article:
    """A product as the order generator sees it; `price` in fen, `line` is W, M or U."""

    id: int
    price: int
    pull: float
    line: str

    def pull_for(self, gender: str) -> float:
        """Return how often a person of this gender picks it."""
        cut_for = LINES.get(self.line)
        return self.pull if cut_for in {None, gender} or gender == "unknown" else self.pull * OTHER_GENDER


@dataclass(frozen=True, slots=True)
class Collection:
    """The product rows and the articles behind them."""

    rows: list[dict[str, Any]]
    articles: tuple[Article, ...]


def collection(tenant_id: int, ids: Ids) -> Collection:
    """Return every article of the table above."""
    result: list[dict[str, Any]] = []
    articles: list[Article] = []
    for line in ARTICLES.split("\n"):
        if line:
            row, pull = _row(line, tenant_id, next(ids.of(Product)))
            result.append(row)
            articles.append(Article(row["id"], int(row["price"] * 100), pull, row["sku"][1]))
    return Collection(result, tuple(articles))


def _row(line: str, tenant_id: int, key: int) -> tuple[dict[str, Any], float]:
    sku, name, category, material, price, pull, colors = line.split("|")
    row = {
        "id": key,
        "tenant_id": tenant_id,
        "sku": sku,
        "name": name,
        "category": category,
        "material": material,
        "price": Decimal(price),
        "colors": colors.split(),
        "active": True,
    }
    return row, float(pull)
