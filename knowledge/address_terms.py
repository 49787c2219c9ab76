"""How to address a customer: surname with 女士 or 先生, and the full name where that could be wrong."""

from __future__ import annotations

MALE, FEMALE = "先生", "女士"
TITLES = {"female": FEMALE, "male": MALE}
GENDER_OF_TITLE = {
    "女士": "female",
    "小姐": "female",
    "太太": "female",
    "阿姨": "female",
    "大姐": "female",
    "姐": "female",
    "先生": "male",
    "叔叔": "male",
    "大哥": "male",
    "哥": "male",
}
NOBODY = "贵宾"
GROWN_UP = 18

_COMPOUND = (
    "欧阳 太史 端木 上官 司马 东方 独孤 南宫 万俟 闻人 夏侯 诸葛 尉迟 公羊 赫连 澹台 皇甫 宗政 濮阳 公冶 太叔 申屠 "
    "公孙 慕容 仲孙 钟离 长孙 宇文 司徒 鲜于 司空 闾丘 子车 亓官 司寇 巫马 公西 颛孙 壤驷 公良 漆雕 乐正 宰父 谷梁 "
    "拓跋 夹谷 轩辕 令狐 段干 百里 呼延 东郭 南门 羊舌 微生 梁丘 左丘 东门 西门 第五 纳兰 完颜 那拉 叶赫 爱新"
)
COMPOUND_SURNAMES = frozenset(_COMPOUND.split())
# Enough of the 百家姓 to tell 「王女士」 from 「各位女士」.
SURNAMES = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗高郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔"
    "钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤常温康施文牛樊葛"
    "邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷盛曲翁冉骆"
    "蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏席卫米柏宗瞿"
    "桂全佟应臧闵苟邬边卞姬师和仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝官封谈匡鞠惠荆乐冀郁胥南班储原栗"
    "燕楚鄢劳谌奚皮粟冼蔺楼盘满闻厉伊仝区郜海阚花权强帅屠豆朴盖练廉禹井祖漆巴丰支卿国狄平计索宣晋相初门云容"
)


def surname_of(name: str) -> str:
    """Return the surname of a Chinese name: two characters where the name begins with a compound one."""
    name = name.strip()
    return name[:2] if len(name) > 2 and name[:2] in COMPOUND_SURNAMES else name[:1]


def address_of(name: str, gender: str, age: int | None = None) -> str:
    """Return 王女士 or 王先生; the full name for children, foreign names, and where the gender is not known."""
    name = name.strip()
    title = TITLES.get(gender)
    if title is None or not name or not is_chinese(name) or (age is not None and age < GROWN_UP):
        return name or NOBODY
    return f"{surname_of(name)}{title}"


def is_chinese(name: str) -> bool:
    """Whether a name is written in Chinese characters only."""
    return bool(name) and all("㐀" <= char <= "鿿" or "\U00020000" <= char <= "\U0003134f" for char in name)
